using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Exports;

/// <summary>
/// A Hugging Face folder of a configuration with random weights, cut to some layers: to try a run, a plan or a machine with the shapes of a
/// model whose weights are not at hand.
/// </summary>
public sealed class RandomModel
{
    // A family has the number of its layers under one of these names.
    private static readonly string[] LayerKeys = ["num_hidden_layers", "n_layer"];

    private readonly string source;
    private readonly JsonObject config;
    private readonly ModelDescription description;

    private RandomModel(string source, JsonObject config, ModelDescription description)
    {
        this.source = source;
        this.config = config;
        this.description = description;
    }

    /// <summary>Layers that the configuration has.</summary>
    public int Layers => description.Blocks;

    /// <summary>Type of its weights; float32 where it does not say.</summary>
    public WeightType StoredType => description.StoredType;

    /// <summary>Reads a configuration.</summary>
    /// <param name="path">config.json, or a folder that holds it.</param>
    /// <exception cref="PeftException">It is absent, or describes no model of a known family; names file and key.</exception>
    public static RandomModel Of(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, ModelFolder.ConfigFile) : path;
        var reader = ConfigReader.Read(file, "--config names a model's config.json, or the folder that holds it");
        var architecture = ModelFamilies.Of(reader);
        QuantizedWeights.Refuse(reader);
        return new RandomModel(file, JsonNode.Parse(File.ReadAllText(file))!.AsObject(), architecture.Describe(reader));
    }

    /// <summary>Writes the folder: configuration, weights, and the tokenizer's files that lie beside the configuration.</summary>
    /// <param name="folder">New or empty.</param>
    /// <param name="layers">Decoder layers, at most those of the configuration.</param>
    /// <param name="dtype">Type of the weights.</param>
    /// <param name="seed">Seed; the same gives the same bytes.</param>
    /// <param name="progress">Told bytes written and all bytes.</param>
    /// <returns>The folder, opened.</returns>
    /// <exception cref="PeftException">The folder is not empty, or the disk has no room; nothing is written then.</exception>
    public ModelFolder Write(string folder, int layers, WeightType dtype, long seed, Action<long, long>? progress = null)
    {
        if (layers < 1 || layers > Layers)
            throw new PeftException($"--layers {layers}: {source} has {Layers} layers; give a number from 1 to {Layers}");
        if (File.Exists(folder)) throw new PeftException($"--to {folder} is a file; name a new folder");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new PeftException($"--to {folder} is not empty; name a new folder");
        var (done, all) = (0L, 0L);
        var weights = new RandomWeights(seed, description.InitializerRange, dtype, bytes => progress?.Invoke(done += bytes, all));
        var tensors = Tensors(weights, layers);
        all = tensors.Sum(static tensor => tensor.Bytes);
        RequireRoom(folder, all);
        Directory.CreateDirectory(folder);
        Cut(layers, dtype);
        File.WriteAllText(Path.Combine(folder, ModelFolder.ConfigFile), config.ToJsonString(ModelCompanions.Indented) + "\n");
        ModelCompanions.CopyTokenizer(Path.GetDirectoryName(Path.GetFullPath(source))!, folder);
        ModelShards.Write(folder, tensors);
        return ModelFolder.Open(folder);
    }

    private List<SafeTensorsTensor> Tensors(RandomWeights weights, int layers)
    {
        var tensors = description.EmbeddingTensors.Select(Of).ToList();
        for (var layer = 0; layer < layers; layer++)
        {
            var prefix = $"{description.BlockPrefix}{layer}.";
            tensors.AddRange(description.BlockTensors.Select(tensor => Of(tensor with { Name = prefix + tensor.Name })));
            foreach (var linear in description.Linears.Select(linear => linear with { Name = prefix + linear.Name }))
            {
                tensors.Add(weights.Tensor(linear.WeightName, [linear.Out, linear.In], TensorKind.LinearWeight));
                if (linear.HasBias) tensors.Add(weights.Tensor(linear.BiasName, [linear.Out], TensorKind.LinearBias));
            }
        }

        // A tied head is the embedding.
        tensors.AddRange(description.HeadTensors.Where(tensor => tensors.All(known => known.Name != tensor.Name)).Select(Of));
        return tensors;

        SafeTensorsTensor Of(ModelTensor tensor) => weights.Tensor(tensor.Name, tensor.Shape, tensor.Kind);
    }

    private void Cut(int layers, WeightType dtype)
    {
        foreach (var key in LayerKeys.Where(config.ContainsKey)) config[key] = layers;
        if (config["layer_types"] is JsonArray types)
        {
            while (types.Count > layers) types.RemoveAt(types.Count - 1);
        }

        config[config.ContainsKey("dtype") ? "dtype" : "torch_dtype"] = dtype.ToString().ToLowerInvariant();
    }

    private static void RequireRoom(string folder, long bytes)
    {
        var there = Path.GetFullPath(folder);
        while (!Directory.Exists(there)) there = Path.GetDirectoryName(there)!;
        var free = new DriveInfo(there).AvailableFreeSpace;
        if (bytes <= free) return;
        throw new PeftException(string.Create(CultureInfo.InvariantCulture,
            $"--to {folder}: the weights take {bytes / 1e9:0.0} GB, and {free / 1e9:0.0} GB are free there; give fewer --layers, "
                + $"or another disk"));
    }
}
