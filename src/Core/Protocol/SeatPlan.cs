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
/// <param name="Endpoint">Where its data plane listens.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PlannedSilo")]
public sealed record PlannedSilo(string Name, string Incarnation, Endpoint Endpoint);

/// <summary>Base weights that a silo loads in the background, so that it can take a seat at once.</summary>
/// <param name="Silo">Silo name.</param>
/// <param name="Layers">Layers, in the order in which they are loaded.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Preload")]
public sealed record Preload(string Silo, int[] Layers);

/// <summary>Which layer sits where. A pure function of inventory, model and run file.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SeatPlan")]
public sealed record SeatPlan
{
    /// <summary>Silos that answered, in order of name; not all need have a seat.</summary>
    [Id(0)] public required PlannedSilo[] Silos { get; init; }

    /// <summary>All seats: active ones by replica and layer, then passive ones.</summary>
    [Id(1)] public required Seat[] Seats { get; init; }

    /// <summary>Number of layers, embedding and head included.</summary>
    [Id(2)] public required int Layers { get; init; }

    /// <summary>Number of replicas.</summary>
    [Id(3)] public required int Replicas { get; init; }

    /// <summary>
    /// Layer computed at each position of the chain: 0, 1 … and, where trained tied embeddings are one shard, 0 again at the end.
    /// </summary>
    [Id(4)] public required int[] Positions { get; init; }

    /// <summary>What silos without an active seat load in the background.</summary>
    [Id(5)] public Preload[] Preloads { get; init; } = [];

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
    public int[] LayersOn(string silo) => LayersWhere(seat => seat.Silo == silo);

    /// <summary>Layers with an active seat on a silo; ascending.</summary>
    public int[] ActiveLayersOn(string silo) => LayersWhere(seat => seat.Active && seat.Silo == silo);

    /// <summary>Layers whose first seat (active, replica 0) is on a silo: it computes version 0 and sends copies; ascending.</summary>
    public int[] FirstLayersOn(string silo) => LayersWhere(seat => seat.Active && seat.Replica == 0 && seat.Silo == silo);

    /// <summary>The replica a silo computes for; null when it only keeps copies or stands by.</summary>
    public int? ReplicaOf(string silo) => Array.Find(Seats, seat => seat.Active && seat.Silo == silo)?.Replica;

    /// <summary>
    /// Silos to which a layer's first seat sends a version: the passive seats; of version 0, which only the first seat computes, also the
    /// active seats of the other replicas.
    /// </summary>
    public string[] CopiesOf(int layer, int version) =>
        [
            .. Seats
                .Where(seat => seat.Layer == layer && (!seat.Active || (version == 0 && seat.Replica > 0)))
                .Select(static seat => seat.Silo),
        ];

    /// <summary>Whether any layer has a copy beyond its first seat's to be sent.</summary>
    public bool HasCopies(int version) => Seats.Any(seat => !seat.Active || (version == 0 && seat.Replica > 0));

    /// <summary>Whether a layer has more than one seat.</summary>
    public bool HasOtherSeats(int layer) => Seats.Count(seat => seat.Layer == layer) > 1;

    /// <summary>Whether every layer has seats on at least two silos.</summary>
    public bool Protected => Enumerable.Range(0, Layers).All(layer =>
        Seats.Where(seat => seat.Layer == layer).Select(static seat => seat.Silo).Distinct().Count() > 1);

    /// <summary>Silos without any active seat.</summary>
    public IEnumerable<string> Standbys => Silos.Select(static silo => silo.Name).Where(silo => ReplicaOf(silo) is null);

    /// <summary>The replica that computes a microbatch: contiguous ranges, as even as they can be.</summary>
    public int ReplicaOfMicrobatch(int index, int microbatches)
    {
        for (var replica = 0; replica < Replicas; replica++)
        {
            if (index < (int)((long)(replica + 1) * microbatches / Replicas)) return replica;
        }

        throw new ArgumentOutOfRangeException(nameof(index), $"microbatch {index} of {microbatches}");
    }

    private int[] LayersWhere(Func<Seat, bool> which) => [.. Seats.Where(which).Select(static seat => seat.Layer).Distinct().Order()];
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
