using System.Collections.Concurrent;
using Peft.Orleans.Core.Protocol;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Tensors that have arrived, are arriving, or are waited for; by sender and transfer, fenced by term.</summary>
internal sealed class ReceiveTable
{
    private readonly ConcurrentDictionary<(Guid Sender, long Transfer), Incoming> incoming = new();
    private readonly ConcurrentDictionary<ulong, Term> fences = new();

    /// <summary>Refuses lower terms of a run from now on and drops what belongs to them.</summary>
    internal void Fence(ulong run, Term term)
    {
        fences.AddOrUpdate(run, term, (_, current) => term.Supersedes(current) ? term : current);
        foreach (var (key, entry) in incoming)
        {
            if (entry.Run == run && term.Supersedes(entry.Term) && incoming.TryRemove(key, out _)) entry.Cancel();
        }
    }

    internal void Forget(ulong run)
    {
        fences.TryRemove(run, out _);
        foreach (var (key, entry) in incoming)
        {
            if (entry.Run == run && incoming.TryRemove(key, out _)) entry.Cancel();
        }
    }

    /// <summary>Only the term in force may write here: a silo that has not seen its fence takes nothing for it.</summary>
    internal bool Refuses(ulong run, Term term) => !fences.TryGetValue(run, out var fence) || term != fence;

    /// <summary>Where the bytes of a chunk go; null when they are to be thrown away.</summary>
    internal Incoming? Accept(in TransferHeader header)
    {
        if (Refuses(header.Run, header.Term)) return null;
        var run = header.Run;
        var term = header.Term;
        var entry = incoming.GetOrAdd((header.Sender, header.Transfer), _ => new Incoming(run, term));
        entry.Allocate(header);
        return entry;
    }

    /// <summary>Waits for a whole tensor.</summary>
    internal async Task<Tensor> Take(ulong run, Term term, Guid sender, long transfer, CancellationToken cancellation)
    {
        if (Refuses(run, term)) throw new OperationCanceledException($"term {term} is no longer in force");
        var key = (sender, transfer);
        var entry = incoming.GetOrAdd(key, _ => new Incoming(run, term));
        if (Refuses(run, term) && incoming.TryRemove(key, out _)) entry.Cancel();
        try
        {
            return await entry.Whole.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            incoming.TryRemove(key, out _);
            if (!entry.Whole.IsCompletedSuccessfully) entry.Cancel();
        }
    }

    /// <summary>One transfer.</summary>
    internal sealed class Incoming(ulong run, Term term)
    {
        private readonly TaskCompletionSource<Tensor> whole = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly object sync = new();
        private Tensor? tensor;
        private long missing;
        private int writers;
        private bool cancelled;

        internal ulong Run => run;

        internal Term Term => term;

        internal Task<Tensor> Whole => whole.Task;

        internal void Allocate(in TransferHeader header)
        {
            lock (sync)
            {
                if (tensor is not null || cancelled) return;
                tensor = NativeTensor.Allocate(header.Shape, header.Type, header.TotalBytes);
                missing = header.TotalBytes;
                if (missing == 0) whole.TrySetResult(tensor);
            }
        }

        /// <summary>The tensor while bytes are written into it, or null when the transfer was given up.</summary>
        internal Tensor? BeginWrite()
        {
            lock (sync)
            {
                if (cancelled) return null;
                writers++;
                return tensor;
            }
        }

        internal void EndWrite(int written)
        {
            lock (sync)
            {
                writers--;
                missing -= written;
                if (cancelled)
                {
                    if (writers == 0) tensor?.Dispose();
                }
                else if (missing == 0)
                {
                    whole.TrySetResult(tensor!);
                }
            }
        }

        internal void Cancel()
        {
            lock (sync)
            {
                if (cancelled || whole.Task.IsCompletedSuccessfully) return;
                cancelled = true;
                if (writers == 0) tensor?.Dispose();
                whole.TrySetException(new OperationCanceledException($"term {term} is no longer in force"));
            }
        }
    }
}
