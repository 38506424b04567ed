using Peft.Orleans.Core;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Models;

/// <summary>
/// A Hugging Face folder: the one door to a checkpoint. config.json is read when it is opened, weights and tokenizer when they are asked
/// for. Layer indices are the shards': 0 embedding, 1 … L decoder blocks, L+1 head. Safe to use from several threads.
/// </summary>
public sealed class ModelFolder
{
    internal const string ConfigFile = "config.json";
    private const string GenerationFile = "generation_config.json";

    private readonly ModelDescription description;
    private readonly Lazy<WeightFiles> weights;
    private readonly Lazy<ITextTokenizer> tokenizer;
    private readonly Lazy<Dictionary<string, TensorKind>> kinds;

    private ModelFolder(string path, ModelArchitecture architecture, ModelDescription description, IReadOnlyList<int> endTokens)
    {
        Path = path;
        Architecture = architecture;
        this.description = description;
        EndTokens = endTokens;
        Dimensions = description.Dimensions;
        weights = new(() => WeightFiles.Open(path, BasePrefix));
        tokenizer = new(() => TokenizerLoader.Load(path));
        kinds = new(AllKinds);
    }

    /// <summary>The folder with config.json; of a cache the snapshot.</summary>
    public string Path { get; }

    /// <summary>Its family.</summary>
    public ModelArchitecture Architecture { get; }

    /// <summary>Name of its family, <c>model_type</c> in config.json.</summary>
    public string Family => Architecture.Family;

    /// <summary>The sizes that plan and memory depend on, its linear modules among them.</summary>
    public ModelDimensions Dimensions { get; }

    /// <summary>Number of layers: embedding, decoder blocks, head.</summary>
    public int LayerCount => description.Blocks + 2;

    /// <summary>Rows of the embedding; may exceed the tokenizer's vocabulary.</summary>
    public int Vocabulary => description.Vocabulary;

    /// <summary>Longest sequence the model is made for; 0: any.</summary>
    public int MaxPositions => description.MaxPositions;

    /// <summary>Beyond how many tokens the model does not generate; null: no such bound.</summary>
    public GenerationBound? GenerationBound => description.GenerationBound;

    /// <summary>Tokens that end a text: those of generation_config.json and of config.json.</summary>
    public IReadOnlyList<int> EndTokens { get; }

    /// <summary>Type of the stored weights; float32 where config.json does not say.</summary>
    public WeightType StoredType => description.StoredType;

    /// <summary>Standard deviation of random initial weights.</summary>
    public double InitializerRange => description.InitializerRange;

    /// <summary>Whether there are weights; a folder with config.json alone is enough where all weights train.</summary>
    public bool HasWeights => WeightFiles.Exist(Path);

    /// <summary>The weights.</summary>
    /// <exception cref="PeftException">There are none, or an index is malformed.</exception>
    public WeightFiles Weights => weights.Value;

    /// <summary>Whether there are tokenizer files.</summary>
    public bool HasTokenizer => TokenizerLoader.Exists(Path);

    /// <summary>The tokenizer.</summary>
    /// <exception cref="PeftException">There are no tokenizer files, or they are malformed.</exception>
    public ITextTokenizer Tokenizer => tokenizer.Value;

    /// <summary>
    /// Opens a folder: one with config.json, or one of Hugging Face's cache, <c>models--owner--name</c> or the cache that holds it.
    /// </summary>
    /// <exception cref="PeftException">There is no config.json, or it describes no model of a known family; names file, key and
    /// reason.</exception>
    public static ModelFolder Open(string path)
    {
        path = ModelLocation.Find(path);
        var config = ConfigReader.Read(System.IO.Path.Combine(path, ConfigFile), "model.path names a Hugging Face folder, which has one");
        var architecture = ModelFamilies.Of(config);
        QuantizedWeights.Refuse(config);
        var description = architecture.Describe(config);
        // generation_config.json is what generate obeys; it may list further end tokens (Llama 3's <|eot_id|>).
        var generation = System.IO.Path.Combine(path, GenerationFile);
        IEnumerable<int> endTokens = description.EndTokens;
        if (File.Exists(generation) || Directory.Exists(generation))
            endTokens = ConfigReader.Read(generation, "").Integers("eos_token_id").Concat(endTokens);
        return new ModelFolder(path, architecture, description, [.. endTokens.Distinct()]);
    }

    /// <summary>The folder with config.json that <see cref="Open"/> would open; what it would refuse, as it is.</summary>
    internal static string Locate(string path)
    {
        try
        {
            return ModelLocation.Find(path);
        }
        catch (PeftException)
        {
            return path;
        }
    }

    /// <summary>The family's own configuration.</summary>
    /// <typeparam name="T">The family's type.</typeparam>
    public T Config<T>() => (T)description.Config;

    /// <summary>What the names of a block's modules begin with: <c>model.layers.3.</c></summary>
    /// <param name="layer">Layer index of a block, from 1; beyond the last one as a model of more blocks would have it.</param>
    public string BlockPrefix(int layer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layer, 1);
        return $"{description.BlockPrefix}{layer - 1}.";
    }

    /// <summary>The linear modules of a layer, in its order; none in embedding and head.</summary>
    public IReadOnlyList<LinearSite> Linears(int layer) => IsBlock(layer)
        ? [.. description.Linears.Select(linear => linear with { Name = BlockPrefix(layer) + linear.Name })]
        : [];

    /// <summary>The tensors of a layer that belong to no linear module, in its order.</summary>
    public IReadOnlyList<ModelTensor> Tensors(int layer)
    {
        if (IsBlock(layer)) return [.. description.BlockTensors.Select(tensor => tensor with { Name = BlockPrefix(layer) + tensor.Name })];
        return layer == 0 ? description.EmbeddingTensors : description.HeadTensors;
    }

    /// <summary>What a base tensor is.</summary>
    /// <param name="name">Hugging Face name.</param>
    /// <exception cref="ArgumentException">The model has no such tensor.</exception>
    public TensorKind KindOf(string name) =>
        kinds.Value.TryGetValue(name, out var kind)
            ? kind
            : throw new ArgumentException($"{Path}: a model of family {Family} has no tensor '{name}'", nameof(name));

    /// <summary>What a causal model's names have before those of the bare decoder: <c>model.</c></summary>
    private string BasePrefix => description.BlockPrefix[..(description.BlockPrefix.IndexOf('.', StringComparison.Ordinal) + 1)];

    private bool IsBlock(int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, LayerCount);
        return layer > 0 && layer <= description.Blocks;
    }

    private Dictionary<string, TensorKind> AllKinds()
    {
        var all = new Dictionary<string, TensorKind>(StringComparer.Ordinal);
        for (var layer = 0; layer < LayerCount; layer++)
        {
            foreach (var tensor in Tensors(layer)) all[tensor.Name] = tensor.Kind;
            foreach (var linear in Linears(layer))
            {
                all[linear.WeightName] = TensorKind.LinearWeight;
                if (linear.HasBias) all[linear.BiasName] = TensorKind.LinearBias;
            }
        }

        return all;
    }
}
