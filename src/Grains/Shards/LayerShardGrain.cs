using System.Diagnostics;
using System.Runtime.InteropServices;
using Orleans.Concurrency;
using Orleans.Placement;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>
/// One layer shard: computes its part of a pass on its silo's device and calls the next one. The gradient comes back as that call's result.
/// Holds no state: a grain may be deactivated at any time.
/// </summary>
[SeatPlacement, Reentrant, KeepAlive, Immovable]
internal sealed class LayerShardGrain(AgentStore store, IBatchSource batches, IGrainFactory grains) : Grain, ILayerShardGrain
{
    private SeatKey seat;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        seat = SeatKey.Parse(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<GradientResult> Train(TrainPass pass, int position, TensorRef? input) => Through(new TrainWork(pass), position, input);

    /// <inheritdoc/>
    public Task<GradientResult> Estimate(EstimatePass pass, int position, TensorRef? input) =>
        Through(new EstimateWork(pass), position, input);

    /// <inheritdoc/>
    public Task<LossResult> Loss(LossPass pass, int position, TensorRef? input) => Through(new LossWork(pass), position, input);

    /// <inheritdoc/>
    public Task<ScoreResult[]> Score(ScorePass pass, int position, TensorRef? input) => Through(new ScoreWork(pass), position, input);

    /// <inheritdoc/>
    public Task<int[]> Generate(GeneratePass pass, int position, TensorRef? input) => Through(new GenerateWork(pass), position, input);

    private async Task<TResult> Through<TResult>(PassWork<TResult> work, int position, TensorRef? input)
    {
        var pass = work.Pass;
        var run = store.Run(pass.RunId);
        Require(run, work);
        var token = run.TermToken;
        var plan = run.Protocol.Plan!;
        var last = position == plan.Positions.Length - 1;
        var place = new PassPlace(run, run.Layers[seat.Layer], First: position == 0);
        var x = input is null ? null : await store.Transport.Receive(pass.RunId, pass.Term, input, token);
        ISavedActivations? saved = null;
        try
        {
            if (place.First || last) await Read(work);
            if (last) return await Return(work, plan, position, await Head(work, place, x!), token);
            var seal = default(Seal);
            var (y, kept) = await Compute(work, place, DevicePriority.Forward, Forward, token);
            saved = kept;
            var nextLayer = plan.Positions[position + 1];
            var nextSilo = plan.ActiveSilo(pass.Replica, nextLayer);
            var reference = await store.Transport.Send(pass.RunId, pass.Term, plan.Silo(nextSilo), y, token);
            var next = grains.GetGrain<ILayerShardGrain>(new SeatKey(pass.RunId, pass.Replica, nextLayer, nextSilo).ToString());
            var result = await work.GoOn(next, position + 1, reference);
            if (work.GradientOf(result) is not { } gradient) return result;
            var dy = await store.Transport.Receive(pass.RunId, pass.Term, gradient, token);
            var dx = await Counted(
                work,
                run,
                DevicePriority.Backward,
                () =>
                {
                    if (x is not null) seal.Require(x, $"an activation of layer {seat.Layer}, {work.Where},");
                    return Backward(work, place, saved, dy);
                },
                token);
            return await Return(work, plan, position, (result, dx), token);

            (Tensor, ISavedActivations?) Forward()
            {
                // It waits in memory until the gradient comes back.
                if (work.Counts && x is not null) seal = Seal.Of(x);
                return work.Forward(place, x);
            }
        }
        catch (ExternalException error)
        {
            if (error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)) MemoryRefusals.Note();
            throw Told(seat.Layer, work.Where, error);
        }
        finally
        {
            if (x is not null || saved is not null)
            {
                // Freed on the device thread, after whatever still uses them.
                var (input0, saved0) = (x, saved);
                _ = store.Device.Run(DevicePriority.Backward, () =>
                {
                    saved0?.Dispose();
                    input0?.Dispose();
                    return 0;
                });
            }
        }
    }

    private async Task Read<TResult>(PassWork<TResult> work)
    {
        var began = Stopwatch.GetTimestamp();
        await work.Read(batches);
        store.AddBatchWait(Stopwatch.GetElapsedTime(began));
    }

    /// <summary>What libtorch refused, and where: its own message ends in a page of C++ frames.</summary>
    internal static InvalidOperationException Told(int layer, string where, ExternalException error) =>
        new($"layer {layer}, {where}: libtorch refused an operation: {error.Message.Split('\n')[0]}", error);

    /// <summary>Sends the gradient to the silo it came from; the result with where it is.</summary>
    private async Task<TResult> Return<TResult>(
        PassWork<TResult> work, SeatPlan plan, int position, (TResult Result, Tensor? Gradient) outcome, CancellationToken token)
    {
        if (outcome.Gradient is null) return work.With(outcome.Result, null);
        var caller = plan.Silo(plan.ActiveSilo(work.Pass.Replica, plan.Positions[position - 1]));
        return work.With(outcome.Result, await store.Transport.Send(work.Pass.RunId, work.Pass.Term, caller, outcome.Gradient, token));
    }

    private Task<(TResult Result, Tensor? Gradient)> Head<TResult>(PassWork<TResult> work, PassPlace place, Tensor x) =>
        Compute(work, place, DevicePriority.Backward, () => work.Head(place, x), CancellationToken.None);

    private static Tensor? Backward<TResult>(PassWork<TResult> work, PassPlace place, ISavedActivations? saved, Tensor dy)
    {
        using (dy) return work.Backward(place, saved, dy);
    }

    /// <summary>Work on the device, if the protocol still allows it when its turn comes.</summary>
    private Task<T> Compute<TResult, T>(
        PassWork<TResult> work,
        PassPlace place,
        DevicePriority priority,
        Func<T> compute,
        CancellationToken token
    ) =>
        Counted(
            work,
            place.Run,
            priority,
            () =>
            {
                Require(place.Run, work);
                return compute();
            },
            token
        );

    /// <summary>Work on the device, its time counted where it is a step's.</summary>
    private Task<T> Counted<TResult, T>(
        PassWork<TResult> work,
        AgentRun run,
        DevicePriority priority,
        Func<T> compute,
        CancellationToken token
    ) =>
        store.Run(
            priority,
            () =>
            {
                var began = Stopwatch.GetTimestamp();
                var result = compute();
                if (work.Counts)
                    run.AddCompute(priority, Stopwatch.GetElapsedTime(began));
                return result;
            },
            token
        );

    private void Require<TResult>(AgentRun run, PassWork<TResult> work) => run.Require(protocol => work.May(protocol, seat.Layer));
}
