namespace Peft.Orleans.Core.Protocol;

/// <summary>A place for one layer of one replica on one silo.</summary>
/// <param name="Layer">Layer index.</param>
/// <param name="Replica">Replica index.</param>
/// <param name="Silo">Silo name.</param>
/// <param name="Active">Whether it computes; a passive seat only keeps a copy.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Seat")]
public sealed record Seat(int Layer, int Replica, string Silo, bool Active);

/// <summary>A silo as a plan names it: name, incarnation, and where its data plane listens.</summary>
/// <param name="Name">Silo name.</param>
/// <param name="Incarnation">Identity of this life of the process; a restarted silo has another.</param>
/// <param name="Endpoint">host:port of the data plane.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PlannedSilo")]
public sealed record PlannedSilo(string Name, string Incarnation, string Endpoint);

/// <summary>Which layer sits where. A pure function of inventory, model and run file.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SeatPlan")]
public sealed record SeatPlan
{
    /// <summary>Silos of the plan, in order of name.</summary>
    [Id(0)] public required PlannedSilo[] Silos { get; init; }

    /// <summary>All seats.</summary>
    [Id(1)] public required Seat[] Seats { get; init; }

    /// <summary>Number of layers, embedding and head included.</summary>
    [Id(2)] public required int Layers { get; init; }

    /// <summary>Number of replicas.</summary>
    [Id(3)] public required int Replicas { get; init; }

    /// <summary>Layer computed at each stage of the pipeline: 0, 1 … and, where trained tied embeddings are one shard, 0 again at the end.</summary>
    [Id(4)] public required int[] Stages { get; init; }

    /// <summary>The silo on which a layer of a replica computes.</summary>
    public string ActiveSilo(int replica, int layer)
    {
        foreach (var seat in Seats)
        {
            if (seat.Active && seat.Replica == replica && seat.Layer == layer) return seat.Silo;
        }

        throw new System.Diagnostics.UnreachableException($"layer {layer} of replica {replica} has no active seat");
    }

    /// <summary>The silo by name.</summary>
    public PlannedSilo Silo(string name) =>
        Array.Find(Silos, silo => silo.Name == name)
        ?? throw new System.Diagnostics.UnreachableException($"silo {name} is not in the plan");

    /// <summary>Layers with a seat, active or passive, on a silo; ascending.</summary>
    public int[] LayersOn(string silo) =>
        [.. Seats.Where(seat => seat.Silo == silo).Select(static seat => seat.Layer).Distinct().Order()];

    /// <summary>Layers with an active seat on a silo; ascending.</summary>
    public int[] ActiveLayersOn(string silo) =>
        [.. Seats.Where(seat => seat.Active && seat.Silo == silo).Select(static seat => seat.Layer).Distinct().Order()];
}

/// <summary>Grain key of a layer shard, <c>run/replica/layer@silo</c>: the seat is in the key, so placement needs no table.</summary>
/// <param name="RunId">Run id.</param>
/// <param name="Replica">Replica.</param>
/// <param name="Layer">Layer.</param>
/// <param name="Silo">Silo name.</param>
public readonly record struct SeatKey(string RunId, int Replica, int Layer, string Silo)
{
    /// <inheritdoc/>
    public override string ToString() => $"{RunId}/{Replica}/{Layer}@{Silo}";

    /// <summary>Reads a key.</summary>
    /// <exception cref="FormatException">The key is not of the form run/replica/layer@silo.</exception>
    public static SeatKey Parse(string key)
    {
        var at = key.LastIndexOf('@');
        var parts = at < 0 ? [] : key[..at].Split('/');
        if (parts.Length < 3 || !int.TryParse(parts[^2], out var replica) || !int.TryParse(parts[^1], out var layer))
            throw new FormatException($"'{key}' is no layer shard key (run/replica/layer@silo)");
        return new SeatKey(string.Join('/', parts[..^2]), replica, layer, key[(at + 1)..]);
    }
}
