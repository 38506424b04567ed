using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Inference;

/// <summary>Sends passes without gradients through a seated pipeline: losses, scores, generated text.</summary>
/// <param name="first">The shard where a replica's chain begins.</param>
/// <param name="runId">Run or session.</param>
/// <param name="term">Term in force.</param>
/// <param name="plan">Plan in force.</param>
/// <param name="version">Version of the adapter to compute with.</param>
internal sealed class PipelineCaller(Func<int, ILayerShardGrain> first, string runId, Term term, SeatPlan plan, int version)
{
    private const int RowsPerPass = 64;
    private const int TokensPerPass = 8192;
    private static long caches = DateTimeOffset.UtcNow.Ticks;

    /// <summary>Sum of the token losses and number of targets over the validation set.</summary>
    public async Task<(double LossSum, long Targets)> Loss(IReadOnlyList<BatchOutline> batches)
    {
        var results = await Pipelined(batches.Count, index => First(index, out var replica).Loss(
            new LossPass
            {
                RunId = runId,
                Term = term,
                Replica = replica,
                Version = version,
                Index = index,
                Shape = batches[index].Shape,
            },
            0,
            null));
        return (results.Sum(static result => result.LossSum), results.Sum(static result => (long)result.TargetTokens));
    }

    /// <summary>Log-likelihoods, in order.</summary>
    public async Task<ScoreResult[]> Score(IReadOnlyList<ScoreItem> items)
    {
        var results = await Pipelined(items.Count, index => First(index, out var replica).Score(
            new ScorePass
            {
                RunId = runId,
                Term = term,
                Replica = replica,
                Version = version,
                Batch = Row([items[index].InputIds], items[index].Labels),
            },
            0,
            null));
        return [.. results.Select(static scores => scores[0])];
    }

    /// <summary>Continues each prompt; prompts of similar length go through together, the shorter ones padded on the left.</summary>
    public async Task<GenerationResult[]> Generate(GenerationRequest request)
    {
        var results = new GenerationResult[request.Prompts.Length];
        var groups = Groups([.. request.Prompts.Select(static prompt => prompt.Length)]);
        await Pipelined(groups.Length, async index =>
        {
            await GenerateGroup(request, groups[index], results);
            return 0;
        });
        return results;
    }

    /// <summary>
    /// Prompts in order of length, cut where a pass would hold too many rows or tokens, or pad a prompt by more than half its length.
    /// </summary>
    internal static int[][] Groups(int[] lengths)
    {
        var groups = new List<List<int>>();
        foreach (var prompt in Enumerable.Range(0, lengths.Length).OrderBy(i => lengths[i]).ThenBy(static i => i))
        {
            var group = groups.Count > 0 ? groups[^1] : null;
            if (
                group is null
                || group.Count == RowsPerPass
                || (group.Count + 1) * lengths[prompt] > TokensPerPass
                || lengths[prompt] > 1.5 * lengths[group[0]]
            )
                groups.Add(group = []);
            group.Add(prompt);
        }

        return [.. groups.Select(static group => group.ToArray())];
    }

    private async Task GenerateGroup(GenerationRequest request, int[] prompts, GenerationResult[] results)
    {
        var cache = Interlocked.Increment(ref caches);
        var rows = prompts.ToList();
        var produced = prompts.ToDictionary(static prompt => prompt, static _ => new List<int>());
        var longest = rows.Max(row => request.Prompts[row].Length);
        int[]? padding = [.. rows.Select(row => longest - request.Prompts[row].Length)];
        var next = rows.Select((row, i) => (int[])[.. Enumerable.Repeat(0, padding[i]), .. request.Prompts[row]]).ToArray();
        int[]? keep = null;
        try
        {
            for (var position = 0; position < request.MaxNewTokens && rows.Count > 0; position++)
            {
                var tokens = await Generate(
                    new GeneratePass
                    {
                        RunId = runId,
                        Term = term,
                        Version = version,
                        Cache = cache,
                        Tokens = Row(next, null),
                        KeepRows = keep,
                        Padding = padding,
                        Sampling =
                            request.Temperature > 0
                                ? new SamplingOptions(request.Temperature, request.TopP, request.Seed, [.. rows], position)
                                : null,
                    }
                );
                padding = null;
                var kept = new List<int>();
                for (var row = 0; row < rows.Count; row++)
                {
                    var token = tokens[row];
                    produced[rows[row]].Add(token);
                    if (request.StopTokens.Contains(token))
                        results[rows[row]] = new GenerationResult([.. produced[rows[row]]], Stopped: true);
                    else
                        kept.Add(row);
                }

                keep = kept.Count == rows.Count ? null : [.. kept];
                next = [.. kept.Select(row => new[] { tokens[row] })];
                rows = [.. kept.Select(row => rows[row])];
            }

            foreach (var row in rows) results[row] = new GenerationResult([.. produced[row]], Stopped: false);
        }
        finally
        {
            await Generate(new GeneratePass { RunId = runId, Term = term, Version = version, Cache = cache, DropCache = true });
        }
    }

    /// <summary>A cache stays in the replica where it began.</summary>
    private Task<int[]> Generate(GeneratePass pass)
    {
        var shard = First(pass.Cache, out var replica);
        return shard.Generate(pass with { Replica = replica }, 0, null);
    }

    /// <summary>Replicas take turns.</summary>
    private ILayerShardGrain First(long index, out int replica)
    {
        replica = (int)(index % plan.Replicas);
        return first(replica);
    }

    /// <summary>Runs calls with a few in flight: enough to keep every silo of the pipeline busy.</summary>
    private async Task<T[]> Pipelined<T>(int count, Func<int, Task<T>> call)
    {
        var results = new T[count];
        using var depth = new SemaphoreSlim(plan.Silos.Length + 1);
        await Task.WhenAll(Enumerable.Range(0, count).Select(async index =>
        {
            await depth.WaitAsync();
            try
            {
                results[index] = await call(index);
            }
            finally
            {
                depth.Release();
            }
        }));
        return results;
    }

    private static Microbatch Row(int[][] rows, int[]? labels)
    {
        var columns = rows[0].Length;
        var ids = rows.SelectMany(static row => row).ToArray();
        return new Microbatch
        {
            Rows = rows.Length,
            Columns = columns,
            InputIds = ids,
            Labels = labels ?? [.. Enumerable.Repeat(Microbatch.Masked, ids.Length)],
            SampleLengths = [.. rows.Select(row => new[] { row.Length })],
            ContentHash = "",
        };
    }
}
