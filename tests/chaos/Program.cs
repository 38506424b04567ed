// Chaos: kills, freezes and adds silos of a run at random, then compares with the undisturbed run; docs/reliability.md has the figures.
//   dotnet run --project tests/chaos -- --silos 3 --events 10 --seed 1 [--kinds kill,freeze,join] [-f run.yaml] [--work FOLDER] [-o json]
// One JSON object on stdout, progress on stderr; exit code 0 only when nothing was lost, dropped or repeated and the bytes are equal.
using System.Text.Json;
using Peft.Orleans.Chaos;

try
{
    var options = ChaosOptions.Read(args);
    using var interrupted = new CancellationTokenSource();
    Console.CancelKeyPress += (_, pressed) =>
    {
        pressed.Cancel = true;
        interrupted.Cancel();
    };
    var programs = PeftPrograms.Find(options.Work);
    var file = options.RunFile ?? BuiltInRun.Write(options);
    var undisturbed = await UndisturbedRun.Make(programs, file, options, interrupted.Token);
    using var chaos = new ChaosRun(programs, file, options);
    var outcome = await chaos.Run(interrupted.Token);
    var report = ChaosReport.Make(options, outcome, Comparison.Of(undisturbed, outcome));
    Console.WriteLine(JsonSerializer.Serialize(report, ChaosReport.Json));
    return report.Holds ? 0 : 1;
}
catch (ChaosException error)
{
    Console.Error.WriteLine("chaos: " + error.Message);
    return 2;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("chaos: interrupted");
    return 130;
}
