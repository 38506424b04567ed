using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.Exports;

/// <summary>What lies beside exported weights: what training rendered, other programs render, and stop at.</summary>
public sealed class ModelCompanionsTests : IDisposable
{
    private const string Foreign = "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}";
    private readonly TemporaryFolder model = new();
    private readonly TemporaryFolder target = new();

    /// <summary>
    /// A base model whose config.json ends texts with 2, and whose tokenizer knows ChatML's tokens as 3 and 4, Llama 3's as 5 to 8.
    /// </summary>
    public ModelCompanionsTests()
    {
        model.Write("config.json", """
            {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20,
             "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "bfloat16"}
            """);
        Tokenizer("</s>");
        model.Write("model.safetensors", "");
        model.Write("model.safetensors.index.json", "{}");
    }

    [Theory]
    [InlineData(ChatTemplateNames.ChatMl, "<|im_end|>", 4)]
    [InlineData(ChatTemplateNames.Llama3, "<|eot_id|>", 8)]
    public void A_named_template_is_written_with_its_end_of_turn(string name, string end, int id)
    {
        var prompts = TrainedPrompts.OfRun(Run(DataFormat.Messages, name));
        Assert.Equal([2, id], prompts.EndTokens(ModelFolder.Open(model.Path)));
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", prompts);

        // Read again it is the same template, and the folder's own prompts stop where training did.
        Assert.Equal(prompts.Template!.Text, ChatTemplate.Select(ChatTemplateNames.Model, target.Path).Text);
        Assert.Equal(id, ModelFolder.Open(model.Path).Tokenizer.SpecialId(end));
        Assert.Equal([2, id], ModelFolder.Open(target.Path).EndTokens);
        Assert.Equal("</s>", TokenizerConfig.Read(target.Path).EosToken);
        Assert.Equal(1, Json("generation_config.json")["bos_token_id"]!.GetValue<int>());
        Assert.Equal("float32", Json("config.json")["torch_dtype"]!.GetValue<string>());
        Assert.True(File.Exists(target.File("tokenizer.json")));
        Assert.False(File.Exists(target.File("model.safetensors.index.json")));
    }

    [Fact]
    public void The_tokenizers_end_of_text_ends_texts_too()
    {
        Tokenizer("<|im_end|>");
        var prompts = TrainedPrompts.OfRun(Run(DataFormat.Completion));
        Assert.Null(prompts.Template);
        Assert.Equal([2, 4], prompts.EndTokens(ModelFolder.Open(model.Path)));
        model.Write("generation_config.json", """{"eos_token_id": 2, "pad_token_id": 0, "temperature": 0.6}""");
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", prompts);
        var generation = Json("generation_config.json");
        Assert.Equal([2, 4], generation["eos_token_id"]!.AsArray().Select(static id => id!.GetValue<int>()));
        Assert.Equal(0.6, generation["temperature"]!.GetValue<double>());
        Assert.Equal(0, generation["pad_token_id"]!.GetValue<int>());
    }

    [Fact]
    public void What_the_base_says_already_stays_as_it_is()
    {
        model.Write("chat_template.jinja", Foreign);
        ModelCompanions.WriteModel(model.Path, target.Path, "bfloat16", TrainedPrompts.OfRun(Run(DataFormat.Text)));
        Assert.False(File.Exists(target.File("generation_config.json")));
        Assert.Equal(Foreign, File.ReadAllText(target.File("chat_template.jinja")));
        Assert.Equal(File.ReadAllText(model.File("tokenizer_config.json")), File.ReadAllText(target.File("tokenizer_config.json")));
    }

    [Fact]
    public void A_template_in_a_file_of_its_own_is_replaced_where_it_counts()
    {
        model.Write("chat_template.jinja", Foreign);
        ModelCompanions.WriteModel(
            model.Path,
            target.Path,
            "bfloat16",
            TrainedPrompts.OfRun(Run(DataFormat.Gsm8k, ChatTemplateNames.ChatMl))
        );
        Assert.Equal(BuiltInTemplates.ChatMl, ChatTemplate.Select(ChatTemplateNames.Model, target.Path).Text);
        File.Delete(target.File("chat_template.jinja"));
        Assert.Equal(BuiltInTemplates.ChatMl, ChatTemplate.Select(ChatTemplateNames.Model, target.Path).Text);
    }

    [Fact]
    public void An_adapter_brings_its_template_into_generation_and_merging()
    {
        using var adapter = new TemporaryFolder();
        ModelCompanions.WriteAdapter(model.Path, adapter.Path, TrainedPrompts.OfRun(Run(DataFormat.Messages, ChatTemplateNames.ChatMl)));
        Assert.Equal(BuiltInTemplates.ChatMl, ChatTemplate.Select(ChatTemplateNames.Model, adapter.Path).Text);
        Assert.True(TokenizerLoader.Exists(adapter.Path));

        var prompts = TrainedPrompts.OfFolders(model.Path, adapter.Path);
        Assert.Equal([2, 4], prompts.EndTokens(ModelFolder.Open(model.Path)));
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", prompts);
        Assert.Equal(BuiltInTemplates.ChatMl, ChatTemplate.Select(ChatTemplateNames.Model, target.Path).Text);
        Assert.Equal([2, 4], ModelFolder.Open(target.Path).EndTokens);
    }

    [Fact]
    public void A_template_of_another_trainer_comes_with_its_end_of_text()
    {
        // As trainers of other programs save it: a template and an end-of-text token of their own.
        using var adapter = new TemporaryFolder();
        adapter.Write("chat_template.jinja", Foreign);
        adapter.Write("tokenizer_config.json", """{"eos_token": "<|im_end|>"}""");
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", TrainedPrompts.OfFolders(model.Path, adapter.Path));
        Assert.Equal(Foreign, TokenizerConfig.Read(target.Path).ChatTemplate);
        Assert.Equal([2, 4], ModelFolder.Open(target.Path).EndTokens);
    }

    [Fact]
    public void A_tokenizer_that_nothing_needed_ends_no_run()
    {
        model.Write("tokenizer.json", "{}");
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", TrainedPrompts.OfRun(Run(DataFormat.Tokens)));
        Assert.Equal([2], ModelFolder.Open(target.Path).EndTokens);
    }

    [Fact]
    public void Without_a_template_nothing_is_written_beside_an_adapter()
    {
        ModelCompanions.WriteAdapter(model.Path, target.Path, TrainedPrompts.OfRun(Run(DataFormat.Tokens)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(target.Path));
    }

    [Fact]
    public void A_template_that_cannot_be_read_is_kept_as_text_too()
    {
        using var adapter = new TemporaryFolder();
        adapter.Write("chat_template.jinja", "{% for %}");
        var prompts = TrainedPrompts.OfFolders(model.Path, adapter.Path);
        Assert.Null(prompts.Template);
        ModelCompanions.WriteModel(model.Path, target.Path, "float32", prompts);
        Assert.Equal("{% for %}", TokenizerConfig.Read(target.Path).ChatTemplate);
    }

    public void Dispose()
    {
        model.Dispose();
        target.Dispose();
    }

    private void Tokenizer(string eos)
    {
        string[] special =
        [
            "<s>",
            "</s>",
            "<|im_start|>",
            "<|im_end|>",
            "<|begin_of_text|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ];
        var added = special.Select(
            static (token, index) =>
                (JsonNode)
                    new JsonObject
                    {
                        ["id"] = index + 1,
                        ["content"] = token,
                        ["single_word"] = false,
                        ["lstrip"] = false,
                        ["rstrip"] = false,
                        ["normalized"] = false,
                        ["special"] = true,
                    }
        );
        var vocabulary = special.Prepend("a").Select(static (token, id) => KeyValuePair.Create(token, (JsonNode?)id));
        model.Write("tokenizer.json", new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray([.. added]),
            ["pre_tokenizer"] = ByteLevel(),
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = new JsonObject(vocabulary), ["merges"] = new JsonArray() },
        }.ToJsonString());
        model.Write("tokenizer_config.json", $$"""{"bos_token": "<s>", "eos_token": "{{eos}}"}""");
    }

    private static JsonObject ByteLevel() =>
        new()
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = false,
            ["trim_offsets"] = true,
            ["use_regex"] = true,
        };

    private RunSpec Run(DataFormat format, string template = ChatTemplateNames.Model) => new()
    {
        Model = new ModelSpec { Path = model.Path },
        Data = new DataSpec { Train = new DataSource { Path = "data.jsonl", Format = format }, ChatTemplate = template },
    };

    private JsonObject Json(string file) => JsonNode.Parse(File.ReadAllText(target.File(file)))!.AsObject();
}
