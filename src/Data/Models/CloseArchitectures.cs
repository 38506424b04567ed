namespace Peft.Orleans.Data.Models;

/// <summary>Architectures that people bring and that none of the families computes: what differs from the nearest one.</summary>
internal static class CloseArchitectures
{
    private const string Another = "fine-tune a model of a supported family";
    private const string Language = "save its language model alone, where that is of a supported family";

    // By the beginning of model_type; the first that fits.
    private static readonly (string Type, string Differs, string Remedy)[] Table =
    [
        ("gemma", "norms with weight + 1, an embedding times √hidden, GELU; Gemma 2 and 3 also norms behind attention and MLP", Another),
        ("phi3", "fused qkv_proj and gate_up_proj, LongRoPE", "save it with split projections as a Llama, where its RoPE is not longrope"),
        ("phimoe", "a mixture of experts", Another),
        ("phi", "LayerNorm, attention and MLP side by side, heads that are turned in part", Another),
        ("mixtral", "a mixture of experts in place of the MLP", "fine-tune a Mistral"),
        ("mistral3", "pictures, and a language model one level down", Language),
        ("ministral", "windows in some layers, scores that depend on the position", "fine-tune a Mistral"),
        ("qwen2_moe", "a mixture of experts in place of the MLP", "fine-tune a dense Qwen2"),
        ("qwen3_moe", "a mixture of experts in place of the MLP", "fine-tune a dense Qwen3"),
        ("qwen3_next", "layers of linear attention, a mixture of experts", "fine-tune a dense Qwen3"),
        ("qwen2_vl", "pictures and RoPE over three axes", Language),
        ("qwen2_5_vl", "pictures and RoPE over three axes", Language),
        ("qwen3_vl", "pictures and RoPE over three axes", Language),
        ("qwen", "a fused c_attn, code of its own", "fine-tune a Qwen2 or Qwen3"),
        ("llama4", "a mixture of experts, attention within chunks, layers without RoPE", "fine-tune a Llama 3"),
        ("mllama", "pictures, layers that attend to them", "fine-tune a Llama 3"),
        ("llava", "pictures before a language model", Language),
        ("smollm3", "layers without RoPE", Another),
        ("olmoe", "a mixture of experts", Another),
        ("olmo", "norms without weights, or behind attention and MLP; OLMo 2 also norms over all heads of q and k", Another),
        ("falcon", "LayerNorm, attention and MLP side by side, a fused query_key_value", "fine-tune a BLOOM for a fused one"),
        ("gpt_neox", "LayerNorm, attention and MLP side by side, heads that are turned in part", Another),
        ("gpt_bigcode", "learned positions, one key head, LayerNorm", Another),
        ("gpt_neo", "learned positions, LayerNorm, windows in every second layer", Another),
        ("gpt_oss", "a mixture of experts, attention sinks", Another),
        ("gptj", "attention and MLP side by side, neighbouring elements that are turned together", Another),
        ("gpt2", "learned positions, LayerNorm, transposed Conv1D weights", Another),
        ("opt", "learned positions, LayerNorm, ReLU", Another),
        ("mpt", "ALiBi in a block without biases, LayerNorm", "fine-tune a BLOOM"),
        ("cohere", "LayerNorm, attention and MLP side by side, multiplied logits", Another),
        ("deepseek", "latent attention and a mixture of experts", "fine-tune one of its distillations, which are Llama or Qwen2"),
        ("granitemoe", "a mixture of experts", Another),
        ("granite", "a multiplied embedding, residual branches and scores, divided logits", Another),
        ("stablelm", "LayerNorm, heads that are turned in part", Another),
        ("starcoder2", "LayerNorm, a GELU MLP, biases everywhere", Another),
        ("minicpm", "a multiplied embedding and residual branches, divided logits", Another),
        ("internlm2", "a fused wqkv under other names", "convert it with its authors' script to a Llama"),
        ("baichuan", "a fused W_pack, ALiBi in the larger one", "convert it with its authors' script to a Llama"),
        ("chatglm", "a fused query_key_value, heads that are turned in part", Another),
        ("glm", "heads that are turned in part, a fused gate_up_proj", Another),
        ("exaone", "other names, or norms behind attention and MLP", Another),
        ("nemotron", "LayerNorm with weight + 1, squared ReLU, heads that are turned in part", Another),
        ("dbrx", "a mixture of experts", Another),
        ("jamba", "state-space layers", Another),
        ("mamba", "state-space layers", Another),
        ("rwkv", "recurrent layers", Another),
        ("t5", "an encoder and a decoder", Another),
        ("bert", "an encoder", Another),
        ("roberta", "an encoder", Another),
    ];

    /// <summary>What differs, and what to do; null where the architecture is not in the table.</summary>
    internal static string? Find(string? type)
    {
        if (type is null) return null;
        var row = Array.Find(Table, row => type.StartsWith(row.Type, StringComparison.OrdinalIgnoreCase));
        return row.Type is null ? null : $"it has {row.Differs}; {row.Remedy}";
    }
}
