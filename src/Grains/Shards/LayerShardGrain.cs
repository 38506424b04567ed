using System.Diagnostics;
using Orleans.Concurrency;
using Orleans.Placement;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>
/// One layer shard: computes its part of a pass on its silo's device and calls the next one. The gradient comes back as that call's result.
/// Holds no state: a grain may be deactivated at any time.
/// </summary>
[SeatPlacement, Reentrant, KeepAlive, Immovable]
public sealed class LayerShardGrain(AgentStore store, IGrainFactory grains) : Grain, ILayerShardGrain
{
    private SeatKey seat;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        seat = SeatKey.Parse(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<PassResult> Pass(PassCall call, int position, TensorRef? input)
    {
        var run = store.Run(call.RunId);
        run.Require(protocol => May(protocol, call));
        var token = run.TermToken;
        var plan = run.Protocol.Plan!;
        var last = position == plan.Positions.Length - 1;
        var layer = run.Layers[seat.Layer];
        var x = input is null ? null : await store.Transport.Receive(call.RunId, call.Term, input, token);
        ISavedActivations? saved = null;
        try
        {
            if (last) return await Return(call, plan, position, await Head(run, layer, call, x!), token);
            var (y, kept) = await Compute(run, call, DevicePriority.Forward, () => Forward(run, layer, call, position, x), token);
            saved = kept;
            var nextLayer = plan.Positions[position + 1];
            var nextSilo = plan.ActiveSilo(call.Replica, nextLayer);
            var reference = await store.Transport.Send(call.RunId, call.Term, plan.Silo(nextSilo), y, token);
            var next = grains.GetGrain<ILayerShardGrain>(new SeatKey(call.RunId, call.Replica, nextLayer, nextSilo).ToString());
            var result = await next.Pass(call, position + 1, reference);
            if (call.Kind is not (PassKind.Train or PassKind.Estimate)) return result;
            if (result.Gradient is null) return result;
            var dy = await store.Transport.Receive(call.RunId, call.Term, result.Gradient, token);
            var dx = await Compute(run, call, DevicePriority.Backward, () => Backward(run, layer, call, position, saved, dy), token);
            return await Return(call, plan, position, (result, dx), token);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            // libtorch's message ends in a page of C++ frames.
            throw new InvalidOperationException(
                $"layer {seat.Layer}, step {call.Step}, microbatch {call.Index}: libtorch refused an operation: {error.Message.Split('\n')[0]}");
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

    private async Task<PassResult> Return(PassCall call, SeatPlan plan, int position, (PassResult Result, Tensor? Gradient) outcome, CancellationToken token)
    {
        if (outcome.Gradient is null) return outcome.Result with { Gradient = null };
        var callerSilo = plan.Silo(plan.ActiveSilo(call.Replica, plan.Positions[position - 1]));
        var reference = await store.Transport.Send(call.RunId, call.Term, callerSilo, outcome.Gradient, token);
        return outcome.Result with { Gradient = reference };
    }

    private (Tensor Output, ISavedActivations? Saved) Forward(AgentRun run, SeatedLayer layer, PassCall call, int position, Tensor? x)
    {
        run.Require(protocol => May(protocol, call));
        var version = VersionFor(layer, call);
        if (call.Kind == PassKind.Generate && call.DropCache)
        {
            layer.DropCache(call.Cache);
            return (empty(0).MoveToOuterDisposeScope(), null);
        }

        if (position == 0) return (layer.Embedding!.Embed(version, call.Batch).MoveToOuterDisposeScope(), null);
        if (call.Kind == PassKind.Generate)
        {
            var cache = layer.Cache(call.Cache);
            if (call.Padding is { } padding) cache.Pad(padding);
            if (call.KeepRows is { } rows) cache.KeepRows(rows);
            return (layer.Block!.ForwardCached(version, x!, cache).MoveToOuterDisposeScope(), null);
        }

        var save = call.Kind is PassKind.Train or PassKind.Estimate;
        var pass = new PassContext(run.Setup.Seed, save ? call.Step : 0, call.Index, call.Kind == PassKind.Train);
        var y = layer.Block!.Forward(version, x!, call.Batch, pass, save, out var saved);
        return (y.MoveToOuterDisposeScope(), saved);
    }

    private Tensor? Backward(AgentRun run, SeatedLayer layer, PassCall call, int position, ISavedActivations? saved, Tensor dy)
    {
        try
        {
            run.Require(protocol => call.Kind == PassKind.Estimate ? May(protocol, call) : protocol.StoreLeaf(call.Term, call.Step, seat.Layer));
            if (call.Kind == PassKind.Estimate)
                return position == 0 ? null : layer.Block!.BackwardEstimate(saved!, dy, layer.Estimate)?.MoveToOuterDisposeScope();
            var version = layer.Version(call.Step - 1);
            Tensor? dx = null;
            if (layer.Shard.Layout.Size > 0)
            {
                var gradient = layer.Open(call.Index);
                if (position == 0) layer.Embedding!.EmbedBackward(version, call.Batch, dy, gradient);
                else dx = layer.Block!.Backward(version, saved!, dy, gradient);
                layer.Close(call.Step, call.Index, call.Microbatches);
            }
            else if (position > 0)
            {
                dx = layer.Block!.Backward(version, saved!, dy, empty(0));
            }

            return dx?.MoveToOuterDisposeScope();
        }
        finally
        {
            dy.Dispose();
        }
    }

    private AgentDecision May(AgentProtocol protocol, PassCall call) =>
        call.Kind == PassKind.Estimate ? protocol.ComputeBase(call.Term) : protocol.Compute(call.Term, call.Step, seat.Layer);

    private static LayerVersion VersionFor(SeatedLayer layer, PassCall call) =>
        call.Kind == PassKind.Estimate ? layer.BaseOnly : layer.Version(call.Step - 1);

    private Task<(PassResult Result, Tensor? Gradient)> Head(AgentRun run, SeatedLayer layer, PassCall call, Tensor x) =>
        Compute(run, call, DevicePriority.Backward, () => HeadOnDevice(run, layer, call, x), CancellationToken.None);

    /// <summary>Work on the device, its time counted where it is a step's.</summary>
    private Task<T> Compute<T>(AgentRun run, PassCall call, DevicePriority priority, Func<T> work, CancellationToken token) => store.Device.Run(priority, () =>
    {
        var began = Stopwatch.GetTimestamp();
        var result = work();
        if (call.Kind == PassKind.Train) run.AddCompute(Stopwatch.GetElapsedTime(began));
        return result;
    }, token);

    private (PassResult Result, Tensor? Gradient) HeadOnDevice(AgentRun run, SeatedLayer layer, PassCall call, Tensor x)
    {
        run.Require(protocol => May(protocol, call));
        var version = VersionFor(layer, call);
        switch (call.Kind)
        {
            case PassKind.Score:
                var scores = layer.Head!.Score(version, x, call.Batch);
                return (new PassResult { Scores = [.. scores.Select(static score => new ScoreResult(score.LogLikelihood, score.Tokens, score.IsGreedy))] }, null);
            case PassKind.Generate:
                if (call.DropCache) return (new PassResult(), null);
                using (var logits = layer.Head!.LastLogits(version, x))
                    return (new PassResult { NextTokens = TokenChoice.Choose(logits, call.Sampling) }, null);
            case PassKind.Loss:
                var loss = layer.Head!.Loss(version, x, call.Batch, scale: null, gradient: null);
                return (new PassResult { LossSum = loss.LossSum, TargetTokens = loss.TargetTokens }, null);
            default:
                if (call.Kind == PassKind.Train) run.Require(protocol => protocol.StoreLeaf(call.Term, call.Step, seat.Layer));
                var trains = call.Kind == PassKind.Train && layer.Shard.Layout.Size > 0;
                var gradient = trains ? layer.Open(call.Index) : null;
                var result = layer.Head!.Loss(version, x, call.Batch, call.Scale, gradient);
                // Where the embedding is the same shard, its part of the gradient comes second and closes the leaf.
                if (trains && seat.Layer != 0) layer.Close(call.Step, call.Index, call.Microbatches);
                return (new PassResult { LossSum = result.LossSum, TargetTokens = result.TargetTokens }, result.InputGradient?.MoveToOuterDisposeScope());
        }
    }
}
