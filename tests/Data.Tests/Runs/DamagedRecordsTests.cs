using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Data.Tests.Files;
using Peft.Orleans.Data.Tests.SafeTensors;

namespace Peft.Orleans.Data.Tests.Runs;

/// <summary>Whatever the records of a run's inputs hold, they are read or refused by name.</summary>
public sealed class DamagedRecordsTests
{
    [Fact]
    public void Files()
    {
        using var made = new TemporaryFolder();
        var run = Made(made);
        RunInputs.Record(made.File("run"), run);
        var path = Path.Combine("inputs", "files.json");
        DamagedReading.Json(
            path,
            File.ReadAllText(Path.Combine(made.File("run"), path)),
            folder => RunInputs.CheckAll(folder.Path, run),
            // What the record says of a file may differ from what is there.
            Path.Combine(made.Path, "train.jsonl"),
            Path.Combine(made.Path, "model")
        );
    }

    [Fact]
    public void Weights()
    {
        using var made = new TemporaryFolder();
        var run = Made(made);
        var path = Path.Combine("inputs", "layer-0000.sha256");
        WeightRecord.Check(made.File("run"), 0, new Dictionary<string, string> { ["a"] = new('0', 64) }, made.File("model"), "silo-0");
        DamagedReading.Bytes(
            path,
            File.ReadAllBytes(Path.Combine(made.File("run"), path)),
            folder => WeightRecord.Check(
                folder.Path,
                0,
                new Dictionary<string, string> { ["a"] = new('0', 64) },
                made.File("model"),
                "silo-0"
            ),
            made.File("model")
        );
    }

    private static RunSpec Made(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder.File("model"));
        folder.Write("train.jsonl", "{}");
        folder.Write("model/config.json", "{}");
        SafeTensorsWriter.Write(
            folder.File("model/model.safetensors"),
            [SafeTensorsWriterTests.Tensor("a", SafeTensorsType.BF16, [1], [0, 1])]
        );
        return new RunSpec
        {
            Name = "r",
            Model = new ModelSpec { Path = folder.File("model") },
            Data = new DataSpec { Train = new DataSource { Path = folder.File("train.jsonl"), Format = DataFormat.Tokens } },
            Training = new TrainingSpec { Steps = 1 },
        };
    }
}
