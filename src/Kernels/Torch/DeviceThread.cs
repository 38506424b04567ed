using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Order in which waiting device work runs.</summary>
public enum DevicePriority
{
    /// <summary>Gradients: they free memory and unblock the layers before.</summary>
    Backward,

    /// <summary>Forward passes.</summary>
    Forward,

    /// <summary>Loading, snapshots, copies.</summary>
    Background,
}

/// <summary>
/// One dedicated thread for one device: libtorch's scopes and gradient modes are thread-local, so nothing that touches a tensor may hop
/// threads. Work waits in three queues, first in first out within each.
/// </summary>
public sealed class DeviceThread : IDisposable
{
    /// <summary>
    /// Managed bytes after which dead wrappers are collected. Each of libtorch's numbers that TorchSharp makes for a call is a few native
    /// bytes that its finalizer frees; lying between the tensors they keep free memory apart, and the heap grew by 30 MB a step until a
    /// collection.
    /// </summary>
    private const long CollectAfter = 2 << 20;

    private readonly Lock gate = new();
    private readonly Queue<Action>[] queues = [new(), new(), new()];
    private readonly SemaphoreSlim waiting = new(0);
    private readonly Thread thread;
    private bool closed;
    private long begun;
    private long worked;

    /// <summary>Starts the thread.</summary>
    public DeviceThread(string name)
    {
        thread = new Thread(() =>
        {
            ThreadPriorities.Yield();
            Loop();
        })
        { Name = name, IsBackground = true };
        thread.Start();
    }

    /// <summary>
    /// Runs work in its own dispose scope without gradient recording. A tensor that shall outlive the work must be moved out of the scope
    /// by the work itself. Work not yet begun is cancelled by <paramref name="ct"/>.
    /// </summary>
    public Task<T> Run<T>(DevicePriority priority, Func<T> work, CancellationToken ct = default)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(priority, () => Execute(work, result, ct));
        return result.Task;
    }

    /// <inheritdoc cref="Run{T}(DevicePriority, Func{T}, CancellationToken)"/>
    public Task Run(DevicePriority priority, Action work, CancellationToken ct = default) =>
        Run(priority, () =>
        {
            work();
            return true;
        }, ct);

    /// <summary>Whether the thread lives: nothing but its end takes that away.</summary>
    public bool Alive => thread.IsAlive;

    /// <summary>How long the work under way has taken so far; zero between two.</summary>
    public TimeSpan Busy => Interlocked.Read(ref begun) is var since and not 0 ? Stopwatch.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Time that work has taken since the thread began, work under way included.</summary>
    public TimeSpan Worked
    {
        get
        {
            // Under one lock with the end of a piece: a counter that once falls is taken for one that began anew.
            lock (gate) return TimeSpan.FromTicks(worked) + Busy;
        }
    }

    /// <summary>Pieces of work that wait.</summary>
    public int Waiting(DevicePriority priority)
    {
        lock (gate) return queues[(int)priority].Count;
    }

    /// <summary>Finishes the queued work and ends the thread.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (closed) return;
            closed = true;
        }

        waiting.Release();
        if (Thread.CurrentThread != thread) thread.Join();
    }

    private static void Execute<T>(Func<T> work, TaskCompletionSource<T> result, CancellationToken ct)
    {
        if (ct.IsCancellationRequested)
        {
            result.TrySetCanceled(ct);
            return;
        }

        try
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            result.TrySetResult(work());
        }
        catch (OperationCanceledException error)
        {
            result.TrySetCanceled(error.CancellationToken);
        }
        catch (Exception error)
        {
            result.TrySetException(error);
        }
    }

    private void Enqueue(DevicePriority priority, Action item)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, this);
            queues[(int)priority].Enqueue(item);
        }

        waiting.Release();
    }

    private void Work(Action item)
    {
        Interlocked.Exchange(ref begun, Stopwatch.GetTimestamp());
        item();
        lock (gate)
        {
            worked += Busy.Ticks;
            Interlocked.Exchange(ref begun, 0);
        }
    }

    private void Loop()
    {
        var collected = 0L;
        while (true)
        {
            waiting.Wait();
            Action? item = null;
            lock (gate)
            {
                foreach (var queue in queues)
                {
                    if (queue.TryDequeue(out item)) break;
                }

                if (item is null && closed) return;
            }

            if (item is not null) Work(item);
            if (GC.GetAllocatedBytesForCurrentThread() - collected < CollectAfter) continue;
            GC.Collect(1, GCCollectionMode.Forced, blocking: true);
            collected = GC.GetAllocatedBytesForCurrentThread();
        }
    }
}
