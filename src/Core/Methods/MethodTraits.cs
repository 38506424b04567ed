using Peft.Orleans.Core.Models;

namespace Peft.Orleans.Core.Methods;

/// <summary>
/// What a fine-tuning method is like, without its tensors: what it trains, what it keeps, which options it refuses. Run file, plan, memory
/// model and client ask this and never the method's name. Its arithmetic is in its folder of Kernels; which options it reads,
/// docs/run.schema.json says.
/// </summary>
public abstract class MethodTraits
{
    /// <summary>The method.</summary>
    public abstract MethodName Name { get; }

    /// <summary>Its name for people: <c>LoRA-GA</c>.</summary>
    public abstract string Title { get; }

    /// <summary>Its word in run files: <c>lora_ga</c>.</summary>
    public string Word => EnumerationWords.Word(Name);

    /// <summary><c>peft_type</c> of its adapter files; null: it leaves a model, no adapter.</summary>
    public abstract string? PeftType { get; }

    /// <summary>
    /// Whether the base weights themselves train, all of them: then there is no adapter, and weights may begin at random.
    /// </summary>
    public virtual bool TrainsBase => false;

    /// <summary>Whether a plain LoRA of as many parameters is a control to compare it with.</summary>
    public virtual bool HasControl => true;

    /// <summary>The refused options of a method section, keys from <c>method.</c> on.</summary>
    public virtual IEnumerable<BrokenRule> Check(MethodSpec method) => [];

    /// <summary>What stands against adapting a module.</summary>
    /// <param name="method">The method section.</param>
    /// <param name="name">Name of the module, for messages.</param>
    /// <param name="d">Its outputs.</param>
    /// <param name="k">Its inputs.</param>
    public virtual IEnumerable<BrokenRule> CheckShape(MethodSpec method, string name, long d, long k) => [];

    /// <summary>Trainable parameters of an adapted module.</summary>
    public abstract long Trainable(MethodSpec method, LinearDimensions linear);

    /// <summary>Bytes of an adapted module's frozen weights.</summary>
    /// <param name="method">The method section.</param>
    /// <param name="linear">The module.</param>
    /// <param name="weight">Bytes of an element of a weight as held.</param>
    /// <param name="activation">Bytes of an element of a bias, which is held in the type of the activations.</param>
    public virtual long BaseBytes(MethodSpec method, LinearDimensions linear, long weight, long activation) =>
        Frozen(linear, weight, activation);

    /// <summary>Bytes of a module that is not adapted.</summary>
    public static long Frozen(LinearDimensions linear, long weight, long activation) =>
        (linear.Elements * weight) + ((linear.Parameters - linear.Elements) * activation);

    /// <summary>Whether version 0 needs passes over samples through the frozen base.</summary>
    public virtual bool NeedsEstimate(MethodSpec method) => false;

    /// <summary>Whether those passes hold the gradient of each adapted weight whole, fp32.</summary>
    public virtual bool EstimatesWhole(MethodSpec method) => false;

    /// <summary>Whether the backward pass reads the outputs of the frozen weights.</summary>
    public virtual bool KeepsBaseOutput(MethodSpec method) => false;

    /// <summary>
    /// Whether outputs are made from those of the frozen weights, so that they can be made again instead of being kept beside them.
    /// </summary>
    public virtual bool RepeatsOutput(MethodSpec method) => false;

    /// <summary>The traits of a method section's method.</summary>
    public static MethodTraits Of(MethodSpec method) => MethodTable.Of(method.Name);
}

/// <summary>A rule that a run file breaks.</summary>
/// <param name="Key">The key: <c>method.boft.block_size</c>.</param>
/// <param name="Message">What is wrong and what to write instead.</param>
public readonly record struct BrokenRule(string Key, string Message);
