using CsCheck;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Core.Tests.Planning;

public class PlannerTests
{
    [Fact]
    public void Partition_is_contiguous_non_empty_and_no_worse_than_any_other()
    {
        var gen = from costs in Gen.Double[0.01, 5].Array[1, 9]
                  from parts in Gen.Int[1, costs.Length]
                  select (costs, parts);
        gen.Sample(input =>
        {
            var bounds = Planner.Partition(input.costs, input.parts);
            Assert.Equal(0, bounds[0]);
            Assert.Equal(input.costs.Length, bounds[^1]);
            for (var i = 0; i < input.parts; i++) Assert.True(bounds[i] < bounds[i + 1]);
            Assert.Equal(Exhaustive(input.costs, 0, input.parts), Largest(input.costs, bounds), 1e-9);
        });
    }

    [Fact]
    public void Every_layer_has_one_active_seat_and_standbys_keep_the_copies()
    {
        var plan = Planner.Plan(Silos(6).Reverse().ToArray(), Model, new PlanOptions(64));
        for (var layer = 0; layer < 4; layer++) Assert.Equal($"silo-{layer}", plan.ActiveSilo(0, layer));
        Assert.Equal(["silo-4", "silo-5"], plan.Standbys);
        Assert.Equal(
            ["silo-4", "silo-5", "silo-4", "silo-5"],
            plan.Seats.Where(static seat => !seat.Active).OrderBy(static seat => seat.Layer).Select(static seat => seat.Silo)
        );
        Assert.True(plan.Protected);
    }

    [Fact]
    public void Of_any_number_of_silos_a_passive_seat_is_never_where_its_layer_computes()
    {
        Gen.Select(Gen.Int[2, 9], Gen.Int[1, 9], Gen.Int[1, 4])
            .Sample(
                (silos, most, needed) =>
                {
                    var plan = Planner.Plan(Silos(silos), Model, new PlanOptions(most, Replicas: 1, MinStages: needed));
                    foreach (var passive in plan.Seats.Where(static seat => !seat.Active))
                        Assert.NotEqual(plan.ActiveSilo(0, passive.Layer), passive.Silo);
                    Assert.True(plan.Protected);
                    Assert.Equal(4, plan.Seats.Count(static seat => seat.Active));
                    Assert.True(plan.Seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct().Count() <= most);
                }
            );
    }

    [Fact]
    public void One_silo_has_every_layer_and_no_copy_and_the_plan_says_so()
    {
        var plan = Planner.Plan(Silos(1), Model, new PlanOptions(64));
        Assert.Equal([0, 1, 2, 3], plan.ActiveLayersOn("silo-0"));
        Assert.False(plan.Protected);
        Assert.False(plan.HasCopies(0));
    }

    [Fact]
    public void Without_protection_there_are_no_copies() =>
        Assert.DoesNotContain(Planner.Plan(Silos(3), Model, new PlanOptions(64) { Protect = false }).Seats, static seat => !seat.Active);

    [Fact]
    public void Replicas_are_as_many_as_memory_and_microbatches_allow_and_have_whole_pipelines()
    {
        Gen.Select(Gen.Int[1, 9], Gen.Int[1, 4], Gen.Int[1, 6])
            .Sample(
                (silos, needed, microbatches) =>
                {
                    var plan = Planner.Plan(Silos(silos), Model, new PlanOptions(64, Replicas: null, needed, microbatches));
                    Assert.Equal(Math.Clamp(silos / needed, 1, microbatches), plan.Replicas);
                    var computing = plan.Seats.Where(static seat => seat.Active).ToArray();
                    Assert.Equal(4 * plan.Replicas, computing.Length);
                    Assert.All(computing.GroupBy(static seat => seat.Silo), static silo =>
                        Assert.Single(silo.Select(static seat => seat.Replica).Distinct())
                    );
                    for (var replica = 0; replica < plan.Replicas; replica++)
                        Assert.Equal(
                            [0, 1, 2, 3],
                            computing.Where(seat => seat.Replica == replica).Select(static seat => seat.Layer).Order()
                        );
                }
            );
    }

    [Fact]
    public void Fixed_replicas_share_all_silos()
    {
        var plan = Planner.Plan(Silos(5), Model, new PlanOptions(64, Replicas: 2, MinStages: 1, Microbatches: 8));
        Assert.Equal(2, plan.Replicas);
        Assert.Equal(["silo-4"], plan.Standbys);
        Assert.Equal(4, plan.Seats.Select(static seat => seat.Silo).Distinct().Count());
    }

    [Fact]
    public void Uneven_microbatches_are_divided_into_contiguous_ranges_that_differ_by_one_at_most()
    {
        Gen.Select(Gen.Int[1, 6], Gen.Int[1, 17])
            .Where(static (replicas, microbatches) => replicas <= microbatches)
            .Sample(
                (replicas, microbatches) =>
                {
                    var plan = new SeatPlan
                    {
                        Silos = [],
                        Seats = [],
                        Layers = 1,
                        Replicas = replicas,
                        Positions = [0],
                    };
                    var owners = Enumerable
                        .Range(0, microbatches)
                        .Select(index => plan.ReplicaOfMicrobatch(index, microbatches))
                        .ToArray();
                    Assert.Equal(owners.Order(), owners);
                    var sizes = Enumerable.Range(0, replicas).Select(replica => owners.Count(owner => owner == replica)).ToArray();
                    Assert.InRange(sizes.Max() - sizes.Min(), 0, 1);
                    Assert.Throws<ArgumentOutOfRangeException>(() => plan.ReplicaOfMicrobatch(microbatches, microbatches));
                }
            );
        var three = new SeatPlan
        {
            Silos = [],
            Seats = [],
            Layers = 1,
            Replicas = 3,
            Positions = [0],
        };
        Assert.Equal([0, 1, 1, 2, 2], Enumerable.Range(0, 5).Select(index => three.ReplicaOfMicrobatch(index, 5)));
    }

    [Fact]
    public void Seats_stay_where_their_weights_are_and_a_loss_moves_only_the_lost_layers()
    {
        var before = Planner.Plan(Silos(4), Model, new PlanOptions(3));
        var survivors = Silos(4)
            .Where(static silo => silo.Silo.Name != "silo-1")
            .Select(silo => silo with { Loaded = before.ReplicaOf(silo.Silo.Name) is null ? [] : before.ActiveLayersOn(silo.Silo.Name) })
            .ToArray();
        var after = Planner.Plan(survivors, Model, new PlanOptions(3));
        foreach (var seat in before.Seats.Where(static seat => seat.Active && seat.Silo != "silo-1"))
            Assert.Equal(seat.Silo, after.ActiveSilo(0, seat.Layer));
        foreach (var layer in before.ActiveLayersOn("silo-1")) Assert.Equal("silo-3", after.ActiveSilo(0, layer));
    }

    [Fact]
    public void Standbys_load_all_layers_ahead_each_beginning_with_another_part()
    {
        var plan = Planner.Plan(Silos(5), Model, new PlanOptions(2));
        Assert.Equal(["silo-2", "silo-3", "silo-4"], plan.Preloads.Select(static preload => preload.Silo));
        Assert.All(plan.Preloads, static preload => Assert.Equal([0, 1, 2, 3], preload.Layers.Order()));
        Assert.NotEqual(plan.Preloads[0].Layers[0], plan.Preloads[1].Layers[0]);
    }

    [Fact]
    public void A_pipeline_has_as_many_stages_as_its_memory_needs()
    {
        var layers = Enumerable.Repeat(new LayerMemory(100, 0, 0, 0, 0, 10), 4).ToArray();
        var even = new PlanModel([1, 1, 1, 1], [0, 1, 2, 3]);
        Assert.Equal(1, MemoryModel.StagesNeeded(even, layers, MemoryModel.ProcessBytes + 410));
        Assert.Equal(2, MemoryModel.StagesNeeded(even, layers, MemoryModel.ProcessBytes + 409));
        Assert.Equal(2, MemoryModel.StagesNeeded(even, layers, MemoryModel.ProcessBytes + 210));
        Assert.Equal(4, MemoryModel.StagesNeeded(even, layers, MemoryModel.ProcessBytes + 110));
        Assert.Equal(4, MemoryModel.StagesNeeded(even, layers, 1));
    }

    [Fact]
    public void The_run_file_and_the_memory_that_silos_of_one_machine_share_decide_the_replicas()
    {
        var model = LlamaShaped.Of(hidden: 64, wide: 128, blocks: 2, heads: 4, keyValueHeads: 2, vocabulary: 512, tied: true);
        var spec = new RunSpec { Training = new TrainingSpec { GlobalBatch = 4, Microbatch = 1 } };
        ResolvedRun Run(RunSpec of) => ResolvedRun.Of(of, model, WeightType.Float32, ProductType.Native, threads: 1);
        Assert.Equal(3, RunPlanner.Plan(Run(spec), Silos(3)).Replicas);
        Assert.Equal(4, RunPlanner.Plan(Run(spec), Silos(6)).Replicas);
        Assert.Equal(1, RunPlanner.Plan(Run(spec with { Compute = new ComputeSpec { Replicas = 1 } }), Silos(3)).Replicas);
        Assert.Equal(["silo-2"], RunPlanner.Plan(Run(spec with { Elastic = new ElasticSpec { MaxSilos = 2 } }), Silos(3)).Standbys);
        // Too little memory for a whole pipeline on each: the silos share one.
        var shared = Silos(4)
            .Select(static silo => new SiloInventory(
                silo.Silo with
                {
                    Endpoint = new Endpoint("one-host", silo.Silo.Name[^1]),
                },
                [],
                MemoryBytes: 4 << 20
            ))
            .ToArray();
        Assert.Equal(1, RunPlanner.Plan(Run(spec), shared).Replicas);
        Assert.Contains(
            "no silo that takes seats is alive",
            Assert.Throws<PeftException>(() => RunPlanner.Plan(Run(spec), [])).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void No_silo_is_a_clear_error() =>
        Assert.Contains(
            "no silo that takes seats is alive",
            Assert.Throws<PeftException>(() => Planner.Plan([], Model, new PlanOptions(1))).Message,
            StringComparison.Ordinal
        );

    private static readonly PlanModel Model = new([0.05, 1, 1, 0.5], [0, 1, 2, 3]);

    private static SiloInventory[] Silos(int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(static i => new SiloInventory(new PlannedSilo($"silo-{i}", $"incarnation-{i}", new Endpoint($"host-{i}", 1)))),
        ];

    private static double Largest(double[] costs, int[] bounds) =>
        Enumerable.Range(0, bounds.Length - 1).Max(p => costs[bounds[p]..bounds[p + 1]].Sum());

    private static double Exhaustive(double[] costs, int from, int parts) =>
        parts == 1
            ? costs[from..].Sum()
            : Enumerable
                .Range(from + 1, costs.Length - from - parts + 1)
                .Min(cut => Math.Max(costs[from..cut].Sum(), Exhaustive(costs, cut, parts - 1)));
}
