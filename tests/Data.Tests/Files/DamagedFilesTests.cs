using System.Text;
using System.Text.Json;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Data.Tests.Datasets;
using Peft.Orleans.Data.Tests.SafeTensors;
using Peft.Orleans.Data.Tests.Tokenizers;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Files;

/// <summary>
/// Whatever a file holds, its reader reads it or says what is wrong by a <see cref="PeftException"/> that names the file. Anything else
/// would reach people as an error of the program.
/// </summary>
public sealed class DamagedFilesTests
{
    [Fact]
    public void Config() =>
        DamagedReading.Json(
            "config.json",
            """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
            "num_key_value_heads":2,"head_dim":8,"hidden_act":"silu","rms_norm_eps":1e-05,"rope_theta":10000.0,"max_position_embeddings":256,"vocab_size":128,
            "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":128},
            "tie_word_embeddings":false,"attention_bias":false,"bos_token_id":1,"eos_token_id":[2,3],"torch_dtype":"float32","initializer_range":0.02}
            """,
            folder => ModelFolder.Open(folder.Path)
        );

    [Fact]
    public void GenerationConfig() =>
        DamagedReading.Json("generation_config.json", """{"bos_token_id":1,"eos_token_id":[2,3],"do_sample":true}""", folder =>
        {
            folder.Write(
                "config.json",
                """{"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,"vocab_size":128}"""
            );
            ModelFolder.Open(folder.Path);
        });

    [Fact]
    public void TokenizerJson()
    {
        var valid = ValidTokenizer(out var config);
        DamagedReading.Json("tokenizer.json", valid, folder =>
        {
            File.WriteAllText(folder.File("tokenizer_config.json"), config);
            Use(TokenizerLoader.Load(folder.Path));
        });
    }

    internal static string ValidTokenizer(out string config)
    {
        using var valid = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(valid.Path);
        // A dozen tokens are as good as a hundred, and damaged more often where it matters.
        var json = JsonSerializer.Deserialize<System.Text.Json.Nodes.JsonObject>(File.ReadAllText(valid.File("tokenizer.json")))!;
        var vocab = json["model"]!["vocab"]!.AsObject();
        foreach (var token in vocab.Select(static pair => pair.Key).Skip(12).ToArray()) vocab.Remove(token);
        vocab["ab"] = vocab.Count;
        vocab["a"] = vocab.Count;
        vocab["b"] = vocab.Count;
        json["model"]!["merges"] = new System.Text.Json.Nodes.JsonArray(new System.Text.Json.Nodes.JsonArray("a", "b"));
        json["pre_tokenizer"] = BpeModel.ByteLevelNode(addPrefixSpace: false, useRegex: true);
        json["normalizer"] = new System.Text.Json.Nodes.JsonObject { ["type"] = "NFC" };
        config = File.ReadAllText(valid.File("tokenizer_config.json"));
        return json.ToJsonString();
    }

    [Fact]
    public void TokenizerConfigJson()
    {
        using var valid = new TemporaryFolder();
        ArithmeticProblems.WriteTokenizer(valid.Path);
        DamagedReading.Json(
            "tokenizer_config.json",
            """
            {"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"unk_token":"<unk>","add_bos_token":true,"add_eos_token":false,"add_prefix_space":null,
            "added_tokens_decoder":{"0":{"content":"<unk>","special":true}},"chat_template":[{"name":"default","template":"{{ x }}"}]}
            """,
            folder =>
            {
                if (!File.Exists(folder.File("tokenizer.json")))
                    File.Copy(valid.File("tokenizer.json"), folder.File("tokenizer.json"));
                Use(TokenizerLoader.Load(folder.Path));
            },
            // Tokens of one file may not be in the vocabulary of the other.
            "tokenizer.json"
        );
    }

    [Fact]
    public void SentencePieceModel() =>
        DamagedReading.Bytes(
            "tokenizer.model",
            TokenizerLoaderTests.SentencePiece(
                2,
                ("<unk>", 0, 2),
                ("<s>", 0, 3),
                ("</s>", 0, 3),
                ("a", -1, 1),
                ("b", -2, 1),
                ("ab", -3, 1),
                ("<x>", 0, 4)
            ),
            folder => Use(TokenizerLoader.Load(folder.Path))
        );

    [Fact]
    public void TiktokenModel() =>
        DamagedReading.Bytes(
            "tokenizer.model",
            Encoding.ASCII.GetBytes(
                string.Concat(Enumerable.Range(0, 4).Select(static rank => $"{Convert.ToBase64String([(byte)('a' + rank)])} {rank}\n"))
                    + "YWI= 4\n"
            ),
            folder => Use(TokenizerLoader.Load(folder.Path))
        );

    [Fact]
    public void VocabAndMerges()
    {
        DamagedReading.Json("vocab.json", """{"a":0,"b":1,"ab":2}""", static folder =>
        {
            folder.Write("merges.txt", "#version: 0.2\na b\n");
            Use(TokenizerLoader.Load(folder.Path));
        });
        DamagedReading.Bytes("merges.txt", "#version: 0.2\na b\n"u8.ToArray(), static folder =>
        {
            folder.Write("vocab.json", """{"a":0,"b":1,"ab":2}""");
            Use(TokenizerLoader.Load(folder.Path));
        }, "vocab.json");
    }

    [Fact]
    public void SafeTensors()
    {
        using var valid = new TemporaryFolder();
        SafeTensorsWriter.Write(
            valid.File("x"),
            [
                SafeTensorsWriterTests.Tensor("a", SafeTensorsType.BF16, [1], [0, 1]),
                SafeTensorsWriterTests.Tensor("b", SafeTensorsType.F32, [1, 2], new byte[8]),
            ]
        );
        var bytes = File.ReadAllBytes(valid.File("x"));
        DamagedReading.Bytes("model.safetensors", bytes, static folder => WeightFiles.Open(folder.Path).CheckAll());
        var header = BitConverter.ToInt32(bytes);
        DamagedReading.Check(
            "model.safetensors",
            Damage
                .OfJson(bytes[8..(8 + header)])
                .Select(json => (byte[])[.. BitConverter.GetBytes((long)json.Length), .. json, .. bytes[(8 + header)..]]),
            static folder => WeightFiles.Open(folder.Path).CheckAll()
        );
    }

    [Fact]
    public void Index() =>
        DamagedReading.Json(
            "model.safetensors.index.json",
            """{"metadata":{"total_size":4},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}""",
            static folder =>
            {
                SafeTensorsWriter.Write(
                    folder.File("one.safetensors"),
                    [SafeTensorsWriterTests.Tensor("a", SafeTensorsType.BF16, [1], [0, 1])]
                );
                SafeTensorsWriter.Write(
                    folder.File("two.safetensors"),
                    [SafeTensorsWriterTests.Tensor("b", SafeTensorsType.BF16, [1], [0, 1])]
                );
                WeightFiles.Open(folder.Path).CheckAll();
            },
            "one.safetensors",
            "two.safetensors"
        );

    [Theory]
    [InlineData(
        DataFormat.Messages,
        """{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":1}],"id":7}"""
    )]
    [InlineData(DataFormat.Messages, """{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}],"system":"s"}""")]
    [InlineData(DataFormat.Alpaca, """{"instruction":"a","input":"b","output":"c","system":"s","history":[["a","b"]]}""")]
    [InlineData(DataFormat.Completion, """{"prompt":"a","completion":"b"}""")]
    [InlineData(DataFormat.Text, """{"text":"a"}""")]
    [InlineData(DataFormat.Gsm8k, """{"question":"a","answer":"b"}""")]
    [InlineData(DataFormat.Tokens, """{"input_ids":[1,2],"labels":[-100,2],"attention_mask":[1,1]}""")]
    public void DataLines(DataFormat format, string line)
    {
        using var model = new TemporaryFolder();
        var tokenizer = SmallChatTokenizer.Write(model);
        DamagedReading.Json(
            "train.jsonl",
            line,
            folder => TrainingData.Load(Spec(model.Path, folder.File("train.jsonl"), format), null, tokenizer, 200)
        );
    }

    [Fact]
    public void EvaluationLines() =>
        DamagedReading.Json("problems.jsonl", """{"prompt":"a","completion":"b"}""", static folder =>
            EvaluationProblems.Read(folder.File("problems.jsonl"))
        );

    private static RunSpec Spec(string model, string train, DataFormat format) =>
        new()
        {
            Name = "t",
            Model = new ModelSpec { Path = model },
            Data = new DataSpec
            {
                Train = new DataSource { Path = train, Format = format },
                ChatTemplate = ChatTemplateNames.ChatMl,
                MaxLength = 10_000,
            },
            Training = new TrainingSpec { Steps = 1, GlobalBatch = 1 },
        };

    internal static void Use(ITextTokenizer tokenizer)
    {
        tokenizer.Decode(tokenizer.Encode("ab a", addSpecialTokens: true), skipSpecialTokens: true);
        tokenizer.EncodeWithSpecials("<s>a</s>");
    }
}
