using System.Collections.Concurrent;
using Peft.Orleans.Core.Protocol;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Tensors that have arrived, are arriving, or are waited for; by sender and transfer, fenced by term.</summary>
/// <param name="mostBytes">What they may take together: more is no sum of tensors that this machine could hold.</param>
internal sealed class ReceiveTable(long mostBytes)
{
    private long held;

    private readonly ConcurrentDictionary<(Guid Sender, long Transfer), Incoming> incoming = new();
    private readonly ConcurrentDictionary<ulong, Term> fences = new();

    /// <summary>Tensors that have begun to arrive, or are waited for.</summary>
    internal int Pending => incoming.Count;

    /// <summary>Refuses lower terms of a run from now on and drops what belongs to them.</summary>
    internal void Fence(ulong run, Term term)
    {
        fences.AddOrUpdate(run, term, (_, current) => term.Supersedes(current) ? term : current);
        foreach (var (key, entry) in incoming)
        {
            if (entry.Run == run && term.Supersedes(entry.Term) && incoming.TryRemove(key, out _)) GiveUp(entry);
        }
    }

    internal void Forget(ulong run)
    {
        fences.TryRemove(run, out _);
        foreach (var (key, entry) in incoming)
        {
            if (entry.Run == run && incoming.TryRemove(key, out _)) GiveUp(entry);
        }
    }

    /// <summary>Only the term in force may write here: a silo that has not seen its fence takes nothing for it.</summary>
    internal bool Refuses(ulong run, Term term) => !fences.TryGetValue(run, out var fence) || term != fence;

    /// <summary>Where the bytes of a chunk go; null when they are to be thrown away.</summary>
    /// <exception cref="InvalidDataException">The chunk is of another tensor than those before it, or there is no room for it.</exception>
    internal Incoming? Accept(in TransferHeader header)
    {
        if (Refuses(header.Run, header.Term)) return null;
        var run = header.Run;
        var term = header.Term;
        var entry = incoming.GetOrAdd((header.Sender, header.Transfer), _ => new Incoming(run, term));
        if (entry.Fits(header)) return entry;
        if (Interlocked.Add(ref held, header.TotalBytes) > mostBytes)
        {
            Interlocked.Add(ref held, -header.TotalBytes);
            throw new InvalidDataException($"a tensor of {header.TotalBytes} bytes, beyond the {mostBytes} that this machine has");
        }

        // Another socket may have been first.
        if (!entry.Allocate(header)) Interlocked.Add(ref held, -header.TotalBytes);
        return entry;
    }

    /// <summary>Waits for a whole tensor.</summary>
    internal async Task<Tensor> Take(ulong run, Term term, Guid sender, long transfer, CancellationToken cancellation)
    {
        if (Refuses(run, term)) throw new OperationCanceledException($"term {term} is no longer in force");
        var key = (sender, transfer);
        var entry = incoming.GetOrAdd(key, _ => new Incoming(run, term));
        if (Refuses(run, term) && incoming.TryRemove(key, out _)) GiveUp(entry);
        try
        {
            return await entry.Whole.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            var mine = incoming.TryRemove(key, out _);
            if (!entry.Whole.IsCompletedSuccessfully) entry.Cancel();
            if (mine) Interlocked.Add(ref held, -entry.Release());
        }
    }

    private void GiveUp(Incoming entry)
    {
        // From here on it takes no memory; what it has taken is given back.
        entry.Cancel();
        Interlocked.Add(ref held, -entry.Release());
    }

    /// <summary>One transfer.</summary>
    internal sealed class Incoming(ulong run, Term term)
    {
        private readonly TaskCompletionSource<Tensor> whole = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly object sync = new();
        private Tensor? tensor;
        private long[]? shape;
        private ScalarType type;
        private long size;
        private long missing;
        private int writers;
        private bool cancelled;

        internal ulong Run => run;

        internal Term Term => term;

        internal Task<Tensor> Whole => whole.Task;

        /// <summary>Whether there is memory for the tensor already, or none is needed any more.</summary>
        /// <exception cref="InvalidDataException">It is another tensor.</exception>
        internal bool Fits(in TransferHeader header)
        {
            lock (sync)
            {
                if (cancelled) return true;
                if (shape is null) return false;
                // What lies inside the one may lie outside the other.
                return type == header.Type && shape.AsSpan().SequenceEqual(header.Shape)
                    ? true
                    : throw new InvalidDataException("a chunk of another tensor than the transfer's");
            }
        }

        /// <summary>Takes memory for the tensor; false: it has some, or needs none any more.</summary>
        internal bool Allocate(in TransferHeader header)
        {
            if (Fits(header)) return false;
            lock (sync)
            {
                if (shape is not null || cancelled) return false;
                (shape, type, size) = (header.Shape, header.Type, header.TotalBytes);
                tensor = NativeTensor.Allocate(header.Shape, header.Type);
                missing = header.TotalBytes;
                if (missing == 0) whole.TrySetResult(tensor);
                return true;
            }
        }

        /// <summary>Bytes that are no longer held here; each time but the first none.</summary>
        internal long Release()
        {
            lock (sync)
            {
                var bytes = size;
                size = 0;
                return bytes;
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
