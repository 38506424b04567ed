using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>Small configurations of the families with a gated MLP, and what is read of them.</summary>
internal static class GatedConfigurations
{
    /// <summary>A configuration with every key that a family's reader asks for.</summary>
    internal static JsonObject Config(string family)
    {
        var config = JsonNode.Parse($$"""
            {"model_type":"{{family}}","vocab_size":100,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":3,
             "num_attention_heads":8,"num_key_value_heads":2,"head_dim":8,"max_position_embeddings":256,"rms_norm_eps":1e-5,
             "rope_theta":10000.0,"eos_token_id":2}
            """)!.AsObject();
        if (family != "llama") config["sliding_window"] = 4;
        if (!family.StartsWith("qwen", StringComparison.Ordinal)) return config;
        config["use_sliding_window"] = true;
        config["max_window_layers"] = 1;
        return config;
    }

    /// <summary>All that is read of a configuration.</summary>
    internal static string Described(JsonObject config)
    {
        using var folder = Folder(config);
        var model = ModelFolder.Open(folder.Path);
        var read = model.Config<GatedConfig>();
        return JsonSerializer.Serialize(read) + JsonSerializer.Serialize(model.Linears(1)) + JsonSerializer.Serialize(model.Tensors(1));
    }

    internal static GatedConfig Read(JsonObject config)
    {
        using var folder = Folder(config);
        return ModelFolder.Open(folder.Path).Config<GatedConfig>();
    }

    private static TemporaryFolder Folder(JsonObject config)
    {
        var folder = new TemporaryFolder();
        folder.Write("config.json", config.ToJsonString());
        return folder;
    }
}
