using System.Text.Json;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Runs over lines of token ids, which need no tokenizer.</summary>
internal static class TokenRun
{
    private const int Vocabulary = 100;

    internal static RunSpec Spec(
        int? steps = null,
        int? epochs = null,
        int globalBatch = 1,
        int microbatch = 1,
        bool shuffle = true,
        string path = ""
    ) =>
        new()
        {
            Data = new DataSpec
            {
                Train = new DataSource { Path = path, Format = DataFormat.Tokens },
                Shuffle = shuffle,
            },
            Training = new TrainingSpec
            {
                Steps = steps,
                Epochs = epochs,
                GlobalBatch = globalBatch,
                Microbatch = microbatch,
            },
        };

    /// <summary>A line whose tokens are all learned.</summary>
    internal static string Line(params int[] ids) => JsonSerializer.Serialize(new { input_ids = ids, labels = ids });

    internal static TrainingData Load(RunSpec spec) => TrainingData.Load(spec, null, null, Vocabulary);

    /// <summary>Data whose sample i is [i, i], so that a row says which line it is.</summary>
    internal static TrainingData Load(TemporaryFolder folder, int samples, RunSpec spec)
    {
        var path = folder.WriteLines("train", Enumerable.Range(0, samples).Select(static i => Line(i, i)));
        spec = spec with { Data = spec.Data with { Train = new DataSource { Path = path, Format = DataFormat.Tokens } } };
        return TrainingData.Load(spec, null, null, Vocabulary);
    }

    /// <summary>The line that each row is, by its first token.</summary>
    internal static IEnumerable<int> Lines(Microbatch batch) =>
        Enumerable.Range(0, batch.Rows).Select(row => batch.InputIds[row * batch.Columns]);
}
