using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// An adapter folder, ours or PEFT's, without its tensors' values: what adapter_config.json says, and the names and shapes in the header of
/// adapter_model.safetensors. Everything in it that changes what is computed is honoured or refused by name.
/// </summary>
public sealed class AdapterFolder
{
    /// <summary>Name of the configuration file.</summary>
    public const string ConfigName = RunFolder.AdapterConfigName;

    /// <summary>Name of the weights file.</summary>
    public const string WeightsName = RunFolder.AdapterTensorsName;

    private const string PickledName = "adapter_model.bin";

    private AdapterFolder(
        string path,
        ConfigReader config,
        AdapterForm form,
        MethodSpec? options,
        PeftTargets? targets,
        SafeTensorsHeader weights)
    {
        Path = path;
        Config = config;
        Form = form;
        Options = options;
        Targets = targets;
        Weights = weights;
        Tensors = NamedAsNow(weights);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The configuration file.</summary>
    public string ConfigFile => Config.File;

    /// <summary><c>peft_type</c>.</summary>
    public string PeftType => Form.PeftType;

    /// <summary>How it becomes plain LoRA.</summary>
    public PlainLora PlainLora => Form.PlainLora;

    /// <summary>The base model it names; null: none.</summary>
    public string? BaseModel => BaseModelOf(Config);

    /// <summary>The header of its weights.</summary>
    public SafeTensorsHeader Weights { get; }

    /// <summary>Its tensors by their names as PEFT writes them now, whatever program saved them.</summary>
    public IReadOnlyDictionary<string, SafeTensorsEntry> Tensors { get; }

    /// <summary>
    /// The method and its options; null: a form of ours whose configuration does not say them. Its modules are those of the tensors.
    /// </summary>
    internal MethodSpec? Options { get; }

    internal AdapterForm Form { get; }

    internal ConfigReader Config { get; }

    /// <summary>Which modules PEFT would load; null: a form of ours.</summary>
    internal PeftTargets? Targets { get; }

    /// <summary>Whether a folder holds an adapter's configuration.</summary>
    public static bool Is(string folder) => File.Exists(System.IO.Path.Combine(folder, ConfigName));

    /// <summary>The base model that a folder's configuration names, whatever else is in it; null: none.</summary>
    /// <exception cref="PeftException">There is no configuration, or it is no JSON object.</exception>
    public static string? BaseModelOf(string folder) => BaseModelOf(ReadConfig(folder));

    /// <summary>Reads a folder.</summary>
    /// <exception cref="PeftException">A file is absent or malformed, or a key is not supported; names file, key and remedy.</exception>
    public static AdapterFolder Read(string folder)
    {
        var file = System.IO.Path.Combine(folder, ConfigName);
        try
        {
            var config = ReadConfig(folder);
            var form = FormOf(config);
            MethodSpec? options;
            PeftTargets? targets = null;
            if (config.Has("method") || form.ReadPeft is null)
            {
                options = ReadOwn(config, form);
            }
            else
            {
                PeftKeys.Check(config);
                options = form.ReadPeft(config);
                targets = PeftTargets.Read(config);
            }

            return new AdapterFolder(folder, config, form, options, targets, ReadWeights(folder));
        }
        catch (InvalidOperationException error)
        {
            // A text of halves of characters, which JSON allows and nothing can hold.
            throw new PeftException($"{file}: a text in it is not valid Unicode; write it again", error);
        }
    }

    /// <summary>
    /// The method it stands for in a model, with the modules that its tensors change, and this folder as what it starts from.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <exception cref="PeftException">A tensor has no place in the model, is missing, or has another shape; names it and the key
    /// that says otherwise.</exception>
    public MethodSpec MethodIn(ModelFolder model) => AdapterPlaces.Find(
        this,
        OptionsIn(model) ?? throw new PeftException(
            $"{ConfigFile}: the key method is missing, which says the options of an adapter of peft_type {PeftType}"),
        model);

    /// <summary>Its options, with what depends on the modules' sizes.</summary>
    private MethodSpec? OptionsIn(ModelFolder model) => Options is null ? null : PeftBlocks.In(this, Options, model);

    /// <summary>
    /// The method of a run that starts from it, with what is the adapter's: ranks and α of single modules, and the layers that have an
    /// adapter, where the run names its modules for all layers.
    /// </summary>
    public MethodSpec Adopt(MethodSpec run, ModelFolder model) => AdapterStart.Adopt(this, run, model);

    /// <summary>Refuses to start a run from it that would compute something else with its tensors.</summary>
    /// <param name="run">The run's method.</param>
    /// <param name="model">The run's model.</param>
    /// <param name="where">The place in the run file of a key, for messages.</param>
    /// <exception cref="PeftException">Names both keys and values, or the tensor.</exception>
    public void CheckStart(MethodSpec run, ModelFolder model, Func<string, string> where)
    {
        AdapterAgreement.CheckOptions(this, OptionsIn(model), run, where);
        // What the configuration says is what the run says, and what it does not say is the run's.
        var started = AdapterStart.Adopt(this, run, model);
        AdapterStart.CheckPatterns(this, started, model, where);
        var placed = AdapterPlaces.Find(this, started, model);
        AdapterStart.CheckModules(this, started, placed, model, where);
        AdapterAgreement.CheckLambda(this, run, where);
    }

    private static Dictionary<string, SafeTensorsEntry> NamedAsNow(SafeTensorsHeader weights)
    {
        var tensors = new Dictionary<string, SafeTensorsEntry>(StringComparer.Ordinal);
        foreach (var entry in weights.Entries.Values)
        {
            var name = AdapterNames.Canonical(entry.Name);
            if (!tensors.TryAdd(name, entry))
                throw new PeftException(
                    $"{weights.Path}: tensors '{tensors[name].Name}' and '{entry.Name}' are both {name}; save one adapter");
        }

        return tensors;
    }

    private static ConfigReader ReadConfig(string folder) =>
        ConfigReader.Read(System.IO.Path.Combine(folder, ConfigName), $"an adapter folder holds it beside {WeightsName}");

    private static string? BaseModelOf(ConfigReader config)
    {
        const string Key = "base_model_name_or_path";
        return config.IsText(Key) ? config.Text(Key) : null;
    }

    private static string Known => string.Join(", ", AdapterForm.All.Select(static form => form.PeftType));

    private static AdapterForm FormOf(ConfigReader config)
    {
        if (!config.Has("peft_type"))
            throw new PeftException($"{config.File}: there is no peft_type; it is no adapter configuration");
        var type = config.Text("peft_type");
        return AdapterForm.All.FirstOrDefault(form => form.PeftType == type)
            ?? throw config.Refusal("peft_type", $"this version loads {Known}");
    }

    private static MethodSpec? ReadOwn(ConfigReader config, AdapterForm form)
    {
        if (config.Section("method") is null) return null;
        var method = RunFile.ParseMethod(config.Raw("method")!, config.File);
        if (method.Name != form.Method)
        {
            var named = AdapterForm.All.FirstOrDefault(other => other.Method == method.Name)?.PeftType;
            throw config.Refusal(
                "peft_type",
                $"its section method is that of {named ?? "a method without adapters"}; take adapter_config.json from the run again");
        }

        return method;
    }

    private static SafeTensorsHeader ReadWeights(string folder)
    {
        var weights = System.IO.Path.Combine(folder, WeightsName);
        if (File.Exists(weights)) return SafeTensorsHeader.Read(weights);
        var pickled = System.IO.Path.Combine(folder, PickledName);
        throw new PeftException(File.Exists(pickled)
            ? $"{pickled}: adapters are read from {WeightsName}, not from pickled files; convert it: "
                + $"python -c \"import torch, safetensors.torch as s; s.save_file({{k: v.contiguous() for k, v in "
                + $"torch.load('{PickledName}', weights_only=True).items()}}, '{WeightsName}')\""
            : $"{weights}: file not found; an adapter folder holds it beside {ConfigName}");
    }
}
