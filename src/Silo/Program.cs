// peft-silo: one process per device; hosts layer shards, the data plane and, somewhere, the coordinator of each run.
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Silo;

if (args is ["--help"] or ["-h"])
{
    Console.WriteLine(SiloSettings.Help);
    return 0;
}

try
{
    if (args is [SiloArguments.Check])
    {
        TorchRuntime.Initialize(threads: 1);
        Console.WriteLine(TorchRuntime.Check().Write());
        return 0;
    }

    var settings = SiloSettings.Read(args);
    await SiloHost.Run(settings);
    return 0;
}
catch (PeftException error)
{
    Console.Error.WriteLine("peft-silo: " + error.Message);
    return 2;
}
