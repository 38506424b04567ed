namespace Peft.Orleans.Core.Methods;

/// <summary>The registration table of methods: a new method adds its file here and one line.</summary>
public static class MethodTable
{
    private static readonly MethodTraits[] Registered =
    [
        new FullTraits(),
        new LoraTraits(),
        new BoftTraits(),
        new LoraGaTraits(),
        new UrnnTraits(),
        new HybridTraits(),
    ];

    /// <summary>All methods, in the order of the run file's words.</summary>
    public static IReadOnlyList<MethodTraits> All => Registered;

    /// <summary>A frozen base without any adapter, as inference seats it: low-rank on no module.</summary>
    public static MethodSpec Frozen { get; } = Lora([], new LoraSpec());

    /// <summary>The traits of a method.</summary>
    public static MethodTraits Of(MethodName name) => Array.Find(Registered, traits => traits.Name == name)
        ?? throw new System.Diagnostics.UnreachableException($"method {name} is not registered");

    /// <summary>Plain LoRA on some modules: what adapters are compared with, and turned into.</summary>
    public static MethodSpec Lora(IReadOnlyList<string> modules, LoraSpec options) =>
        new() { Name = MethodName.Lora, TargetModules = modules, Lora = options };
}
