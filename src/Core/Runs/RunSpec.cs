using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>A run file (YAML) as read: what to train, on what, how. Every default is the one of the published schema.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.RunSpec")]
public sealed record RunSpec
{
    /// <summary>The run's id is this name plus a short suffix, unless the caller gives one.</summary>
    public string Name { get; init; } = "";

    /// <summary>Seed of everything random in the run: initialisation, sample order, dropout.</summary>
    public long Seed { get; init; } = 17;

    /// <summary>The base model.</summary>
    public ModelSpec Model { get; init; } = new();

    /// <summary>Training and validation data.</summary>
    public DataSpec Data { get; init; } = new();

    /// <summary>The fine-tuning method and its options.</summary>
    public MethodSpec Method { get; init; } = new();

    /// <summary>Steps, batch, optimizer, schedule.</summary>
    public TrainingSpec Training { get; init; } = new();

    /// <summary>When snapshots are taken and how many are kept.</summary>
    public SnapshotSpec Snapshots { get; init; } = new();

    /// <summary>Threads, replicas and product type; <c>auto</c> threads and products are resolved once, when the run is created.</summary>
    public ComputeSpec Compute { get; init; } = new();

    /// <summary>How many silos the run accepts.</summary>
    public ElasticSpec Elastic { get; init; } = new();

    /// <summary>Folder below which each run has its own folder.</summary>
    public string Output { get; init; } = "runs";
}

/// <summary>Section <c>model</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.ModelSpec")]
public sealed record ModelSpec
{
    /// <summary>A Hugging Face folder; with method full also a folder that holds only config.json.</summary>
    public string Path { get; init; } = "";

    /// <summary>How frozen weights are held; null: as stored.</summary>
    public WeightType? Dtype { get; init; }
}

/// <summary>Section <c>snapshots</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.SnapshotSpec")]
public sealed record SnapshotSpec
{
    /// <summary>Steps between snapshots; 0: only at the end.</summary>
    public int Every { get; init; } = 50;

    /// <summary>How many snapshots are kept.</summary>
    public int Keep { get; init; } = 3;
}

/// <summary>Section <c>compute</c>; a null value is <c>auto</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.ComputeSpec")]
public sealed record ComputeSpec
{
    /// <summary>Compute threads of each silo; part of what the bits depend on.</summary>
    public int? ThreadsPerSilo { get; init; }

    /// <summary>
    /// Number of full pipelines; null (auto): as many as the silos allow, chosen anew with every plan. The bits do not depend on it.
    /// </summary>
    public int? Replicas { get; init; }

    /// <summary>The type in which half-type weights are multiplied.</summary>
    public ProductType? Products { get; init; }
}

/// <summary>Section <c>elastic</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.ElasticSpec")]
public sealed record ElasticSpec
{
    /// <summary>Below this number of silos the run waits.</summary>
    public int MinSilos { get; init; } = 1;

    /// <summary>Silos beyond this number stand by.</summary>
    public int MaxSilos { get; init; } = 64;

    /// <summary>Whether every layer's state is kept in a second place, where there is a second silo.</summary>
    public bool Protect { get; init; } = true;
}
