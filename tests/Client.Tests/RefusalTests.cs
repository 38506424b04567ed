using System.Text;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.SafeTensors;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>
/// What a start would fail of is refused before it: exit 2, the file and the remedy, and nothing on disk; a dry run refuses the same.
/// </summary>
public sealed class RefusalTests
{
    private const string Quantised =
        "config.json: quantization_config (quant_method gptq): the weights are quantised, and are not read; name the folder of the model "
            + "it was made from";

    public static TheoryData<string, string> Configurations => new()
    {
        { "\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}", Quantised },
        { "\"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}", "quant_method bitsandbytes" },
        { "\"compression_config\": {\"format\": \"int\"}", "config.json: compression_config" },
        { "\"vocab_size\": 120", "'model.embed_tokens.weight' has shape [100, 64], but config.json asks for [120, 64]" },
        { "\"attention_bias\": true", "there is no tensor 'model.layers.0.self_attn.q_proj.bias'" },
        { "\"num_hidden_layers\": 4", "there is no tensor 'model.layers.3.input_layernorm.weight'" },
        { "\"hidden_size\": 2147483647", "hidden_size is 2147483647; no model is so large" },
        { "\"torch_dtype\": \"int8\"", "dtype int8 is not supported" },
    };

    [Theory]
    [MemberData(nameof(Configurations))]
    public async Task A_configuration_that_does_not_describe_the_weights(string key, string message)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        var config = File.ReadAllText(workspace.Path("model/config.json"));
        // The last of two equal keys counts.
        workspace.Write("model/config.json", config.TrimEnd()[..^1] + ", " + key + "}");
        await AssertRefused(workspace, file, message);
        await AssertCommandRefused(workspace, message, "generate", "--model", workspace.Path("model"), "--prompt-ids", "1,2");
        workspace.Write("items.jsonl", "{\"input_ids\": [1, 2], \"labels\": [1, 2]}\n");
        await AssertCommandRefused(
            workspace,
            message,
            "score",
            "--model",
            workspace.Path("model"),
            "--input",
            workspace.Path("items.jsonl"),
            "--output",
            workspace.Path("out")
        );
        Assert.False(File.Exists(workspace.Path("out")));
    }

    [Theory]
    [InlineData("lm_head.weight", null, "there is no tensor 'lm_head.weight'", "\"tie_word_embeddings\": true")]
    [InlineData("model.layers.1.mlp.up_proj.weight", null, "there is no tensor 'model.layers.1.mlp.up_proj.weight'", "config.json")]
    [InlineData(
        "model.layers.1.mlp.up_proj.weight",
        512,
        "'model.layers.1.mlp.up_proj.weight' has shape [512, 1]",
        "config.json asks for [128, 64]"
    )]
    public async Task Weights_that_are_not_the_models(string tensor, int? rows, string message, string remedy)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        Workspace.WriteWeights(ModelFolder.Open(workspace.Path("model")), (name, shape) => name != tensor ? shape
            : rows is { } n ? [n, 1]
            : null);
        await AssertRefused(workspace, file, message);
        await AssertRefused(workspace, file, remedy);
    }

    /// <summary>Nobody means random weights, or a plan alone, who has weights in another form.</summary>
    [Theory]
    [InlineData("pytorch_model.bin", "lora")]
    [InlineData("pytorch_model.bin", "full")]
    [InlineData("model.fp16.safetensors", "full")]
    [InlineData("model.gguf", "full")]
    public async Task Weights_of_another_form(string name, string method)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile($"method: {{ name: {method} }}\n");
        File.Move(workspace.Path("model/model.safetensors"), workspace.Path("model/" + name));
        await AssertRefused(workspace, file, $"{workspace.Path("model")}: neither model.safetensors nor");
        await AssertRefused(workspace, file, $"there is {name}");
    }

    [Fact]
    public async Task Weights_of_a_type_that_is_not_read()
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        Workspace.WriteWeights(ModelFolder.Open(workspace.Path("model")), static (_, shape) => shape, SafeTensorsType.I8);
        await AssertRefused(workspace, file, "is stored as I8; weights are read from F32, BF16, F16 and F64");
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.q_proj.bias", "attention_bias")]
    [InlineData("model.layers.0.self_attn.q_proj.lora_A.weight", "merge_and_unload")]
    [InlineData("model.layers.0.self_attn.q_norm.weight", "save the model without it")]
    [InlineData("model.layers.0.self_attn.rotary_emb.inv_freq", null)]
    [InlineData("model.layers.3.input_layernorm.weight", null)]
    public async Task A_tensor_without_a_place(string tensor, string? remedy)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        var header = SafeTensorsHeader.Read(workspace.Path("model/model.safetensors"));
        SafeTensorsWriter.Write(
            workspace.Path("model/other"),
            [
                .. header.Entries.Values.Select(entry => new SafeTensorsTensor(entry.Name, entry.Type, entry.Shape, stream =>
                    header.CopyTo(entry, stream)
                )),
                new SafeTensorsTensor(tensor, SafeTensorsType.BF16, [1], static stream => stream.Write(new byte[2])),
            ]
        );
        File.Move(workspace.Path("model/other"), workspace.Path("model/model.safetensors"), overwrite: true);
        if (remedy is not null)
        {
            await AssertRefused(workspace, file, $"tensor '{tensor}' has no place in the model that config.json describes");
            await AssertRefused(workspace, file, remedy);
            return;
        }

        Assert.Equal(
            ExitCodes.Success,
            (await TestClient.Run("start-run", "-f", file, "--dry-run", "--set", "method.lora.rank=8")).ExitCode
        );
    }

    public static TheoryData<byte[], string> DataFiles => new()
    {
        { "[\n{\"input_ids\": [1], \"labels\": [1]}\n"u8.ToArray(), "element" },
        { [0x1F, 0x8B, 8, 0], "damaged after line 0" },
        { [0x28, 0xB5, 0x2F, 0xFD], "damaged after line 0" },
        { "PAR1"u8.ToArray(), "no Parquet file that can be read" },
        { [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("{}")], "UTF-16" },
        { "{\"input_ids\": null, \"labels\": [1]}"u8.ToArray(), "line 1: the field \"input_ids\" is not a list" },
        { "{\"input_ids\": [1], \"labels\": [1]}\r{}\r"u8.ToArray(), "carriage return" },
        { "{\"input_ids\": [1, 100], \"labels\": [1, 2]}"u8.ToArray(), "line 1: token id 100 at position 1" },
        { "{\"input_ids\": [1, 1], \"labels\": [-100, -100]}"u8.ToArray(), "no token of the data set is learned" },
        { " \n"u8.ToArray(), "the data set is empty" },
    };

    [Theory]
    [MemberData(nameof(DataFiles))]
    public async Task Data_of_another_kind(byte[] content, string message)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        var sound = File.ReadAllBytes(workspace.Path("train.jsonl"));
        File.WriteAllBytes(workspace.Path("train.jsonl"), content);
        await AssertRefused(workspace, file, message);
        await AssertRefused(workspace, file, workspace.Path("train.jsonl"));
        if (message.Contains("is learned", StringComparison.Ordinal)) return;
        File.WriteAllBytes(workspace.Path("train.jsonl"), sound);
        File.WriteAllBytes(workspace.Path("held.jsonl"), content);
        await AssertRefused(workspace, file, message, "--set", "data.validation.path=held.jsonl");
        await AssertRefused(workspace, file, workspace.Path("held.jsonl"), "--set", "data.validation.path=held.jsonl");
        ArithmeticProblems.WriteTokenizer(workspace.Path("model"));
        await AssertRefused(
            workspace,
            file,
            workspace.Path("held.jsonl"),
            "--set",
            "data.evaluation={ path: held.jsonl, metric: last_number }"
        );
    }

    [Theory]
    [InlineData("data.train.path=empty", "data.train.path", "a folder without data files")]
    [InlineData("data.validation.path=empty", "data.validation.path", "a folder without data files")]
    [InlineData("model.path=train.jsonl", "model.path", "is a file; name the folder")]
    public async Task A_folder_or_file_of_another_kind(string assignment, string key, string message)
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        Directory.CreateDirectory(workspace.Path("empty"));
        await AssertRefused(workspace, file, message, "--set", assignment);
        await AssertRefused(workspace, file, $"--set {assignment}: {key}: ", "--set", assignment);
    }

    [Fact]
    public async Task A_template_that_does_not_tell_what_is_learned()
    {
        using var workspace = new Workspace();
        var file = workspace.RunFile();
        ArithmeticProblems.WriteTokenizer(workspace.Path("model"));
        workspace.Write(
            "model/tokenizer_config.json",
            "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"chat_template\": \"{% for m in messages %}USER: {{ m.content }}{% endfor %}\"}"
        );
        workspace.Write(
            "train.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n"
        );
        await AssertRefused(workspace, file, "no end of turn closes it", "--set", "data.train.format=messages");
        await AssertRefused(
            workspace,
            file,
            "no special token <|im_start|>",
            "--set",
            "data.train.format=messages",
            "--set",
            "data.chat_template=chatml"
        );
    }

    [Fact]
    public async Task Score_and_generate_name_the_file()
    {
        using var workspace = new Workspace();
        var model = workspace.Model();
        await AssertCommandRefused(
            workspace,
            $"--input {model} is a folder; name a JSONL file",
            "score",
            "--model",
            model,
            "--input",
            model,
            "--output",
            "-"
        );
        await AssertCommandRefused(
            workspace,
            "--input nowhere.jsonl not found",
            "score",
            "--model",
            model,
            "--input",
            "nowhere.jsonl",
            "--output",
            "-"
        );
        await AssertCommandRefused(
            workspace,
            "token id 100 is not below the model's vocab_size 100",
            "generate",
            "--model",
            model,
            "--prompt-ids",
            "1,100"
        );
        await AssertCommandRefused(
            workspace,
            "--prompt-ids 1,-5: expected token ids",
            "generate",
            "--model",
            model,
            "--prompt-ids",
            "1,-5"
        );
        await AssertCommandRefused(
            workspace,
            "--model " + workspace.Path("model/config.json") + " is a file",
            "generate",
            "--model",
            workspace.Path("model/config.json"),
            "--prompt-ids",
            "1"
        );
    }

    private static async Task AssertRefused(Workspace workspace, string file, string message, params string[] more)
    {
        string[] command = ["start-run", "-f", file, "--run-id", "r", .. more];
        await AssertCommandRefused(workspace, message, [.. command, "--dry-run"]);
        await AssertCommandRefused(workspace, message, command);
    }

    private static async Task AssertCommandRefused(Workspace workspace, string message, params string[] command)
    {
        var outcome = await TestClient.Run(command);
        Assert.Contains(message, outcome.Errors, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
        Assert.False(Directory.Exists(workspace.Path("runs")));
    }
}
