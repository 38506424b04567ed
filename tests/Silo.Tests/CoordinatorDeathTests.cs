using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Silo.Tests;

/// <summary>
/// The coordinator dies before each of the effects that its protocol asks for, one run for each: what it sent before is still on its way,
/// another comes to life and takes over.
/// </summary>
public sealed class CoordinatorDeathTests
{
    private const int Steps = 2;

    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public async Task At_every_point_of_the_protocol(string replicas)
    {
        var stop = new StopAt();
        await using var silos = await InProcessSilos.Start(2, services => services
            .AddSingleton<ICoordinatorObserver>(provider => stop.In(provider.GetRequiredService<IGrainContextAccessor>())));
        var undisturbed = await silos.Run("undisturbed", Steps, replicas);
        Assert.True(undisturbed.State == RunState.Completed, undisturbed.Message);
        var points = stop.Seen.ToArray();
        string[] kinds =
            replicas == "1"
                ?
                [
                    "SendFence",
                    "MakePlan",
                    "SendStart",
                    "Initialize",
                    "SendProtect",
                    "Report",
                    "ComputeGradients",
                    "SendPrepare",
                    "SendApply",
                ]
                :
                [
                    "SendFence",
                    "MakePlan",
                    "SendStart",
                    "Initialize",
                    "SendProtect",
                    "Report",
                    "ComputeGradients",
                    "SendReduce",
                    "SendPrepare",
                    "SendApply",
                ];
        Assert.Equal(kinds.Order(), points.Select(static point => point.GetType().Name).Distinct().Order());

        for (var point = 0; point < points.Length; point++)
        {
            var id = $"stopped-{point}";
            stop.Arm(id, point);
            var status = await silos.Run(id, Steps, replicas);
            Assert.True(stop.Stopped, $"the coordinator was not stopped before {points[point]}");
            Assert.True(status.State == RunState.Completed, $"stopped before {points[point]}: {status.Message}");
            Assert.Equal(undisturbed.AdapterSha256, status.AdapterSha256);
            Assert.Equal(silos.Losses("undisturbed"), silos.Losses(id));
        }
    }

    /// <summary>Lets the coordinator die once, before its n-th effect.</summary>
    private sealed class StopAt
    {
        private readonly Lock gate = new();
        private string? run;
        private int left;

        internal List<CoordinatorEffect> Seen { get; } = [];

        internal bool Stopped { get; private set; }

        internal void Arm(string id, int point)
        {
            lock (gate)
            {
                (run, left, Stopped) = (id, point, false);
            }
        }

        internal ICoordinatorObserver In(IGrainContextAccessor contexts) => new Observer(this, contexts);

        private bool StopsHere(string id, CoordinatorEffect effect)
        {
            lock (gate)
            {
                if (run is null) Seen.Add(effect);
                if (run != id || Stopped || left-- > 0) return false;
                return Stopped = true;
            }
        }

        private sealed class Observer(StopAt stop, IGrainContextAccessor contexts) : ICoordinatorObserver
        {
            public ValueTask Carrying(string runId, CoordinatorEffect effect)
            {
                if (!stop.StopsHere(runId, effect))
                    return ValueTask.CompletedTask;
                contexts.GrainContext!.Deactivate(
                    new DeactivationReason(DeactivationReasonCode.ApplicationRequested, "the test ends this coordinator")
                );
                throw new InvalidOperationException("the coordinator dies here");
            }
        }
    }
}
