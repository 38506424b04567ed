// peft-silo: one process per device; hosts layer shards, the data plane and, somewhere, the coordinator of each run.
using Peft.Orleans.Core;
using Peft.Orleans.Silo;

if (args is ["--help"] or ["-h"])
{
    Console.WriteLine(SiloSettings.Help);
    return 0;
}

try
{
    var settings = SiloSettings.Read(args);
    await SiloHost.Run(settings);
    return 0;
}
catch (PeftException error)
{
    Console.Error.WriteLine("peft-silo: " + error.Message);
    return 2;
}
