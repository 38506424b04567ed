using System.Collections.Concurrent;
using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Grains.Agents;

/// <summary>Ids and labels for the shards of this silo that read them: the embedding and the head.</summary>
internal interface IBatchSource
{
    /// <summary>A microbatch of a run.</summary>
    Task<Microbatch> Get(string runId, BatchKey key);

    /// <summary>Drops what is kept of a run.</summary>
    void Forget(string runId);
}

/// <summary>
/// Asks the run's data set, and asks for the next step's microbatch of the same index ahead, so that a step does not wait for its data. A
/// microbatch is a pure function of the run, so what is here stays right whatever happens to the term.
/// </summary>
/// <param name="dataset">The data set of a run: a microbatch, or null where there is none.</param>
internal sealed class BatchSource(Func<string, BatchKey, Task<Microbatch?>> dataset) : IBatchSource
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<BatchKey, Task<Microbatch?>>> runs = new();

    /// <inheritdoc/>
    public async Task<Microbatch> Get(string runId, BatchKey key)
    {
        var kept = runs.GetOrAdd(runId, static _ => new ConcurrentDictionary<BatchKey, Task<Microbatch?>>());
        // Embedding and head of one silo come for the same microbatch one after the other.
        var asked = Begin(kept, runId, key);
        if (key.Set == BatchSet.Training) Begin(kept, runId, key with { Step = key.Step + 1 }).Ignore();
        foreach (var old in kept.Keys.Where(other => other.Set != key.Set || other.Step < key.Step || IsLongPast(other, key)).ToArray())
            kept.TryRemove(old, out _);
        return await asked
            ?? throw new InvalidOperationException($"the data set of run {runId} has no microbatch {key.Index} of step {key.Step}");
    }

    /// <inheritdoc/>
    public void Forget(string runId) => runs.TryRemove(runId, out _);

    /// <summary>Samples and validation have no steps: those some way behind go.</summary>
    private static bool IsLongPast(BatchKey other, BatchKey key) => key.Set != BatchSet.Training && Math.Abs(other.Index - key.Index) > 64;

    private Task<Microbatch?> Begin(ConcurrentDictionary<BatchKey, Task<Microbatch?>> kept, string runId, BatchKey key)
    {
        if (kept.TryGetValue(key, out var known) && !known.IsFaulted && !known.IsCanceled) return known;
        return kept[key] = dataset(runId, key);
    }
}
