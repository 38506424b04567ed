namespace Peft.Orleans.Kernels.Models;

/// <summary>Which layer of the model a shard is.</summary>
/// <param name="Layer">Layer index: 0 embedding, 1 … L decoder blocks, L+1 head.</param>
/// <param name="NeedsInputGradient">Whether anything in it or before it trains.</param>
internal readonly record struct LayerPlace(int Layer, bool NeedsInputGradient);
