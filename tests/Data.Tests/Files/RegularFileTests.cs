using System.Diagnostics;
using System.Net.Sockets;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Files;

/// <summary>A pipe in a file's place, into which nobody writes, is refused by name and not waited for; so is a device.</summary>
public sealed class RegularFileTests
{
    private const string Config = """
        {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
         "vocab_size": 100}
        """;

    private static readonly Dictionary<string, Action<string>> Readers = new()
    {
        ["config.json"] = static folder => ModelFolder.Open(folder),
        ["generation_config.json"] = static folder => ModelFolder.Open(folder),
        ["model.safetensors"] = static folder => _ = ModelFolder.Open(folder).Weights.Names,
        ["model.safetensors.index.json"] = static folder => _ = ModelFolder.Open(folder).Weights.Names,
        ["tokenizer.json"] = static folder => TokenizerLoader.Load(folder),
        ["tokenizer.model"] = static folder => TokenizerLoader.Load(folder),
        ["tokenizer_config.json"] = static folder => TokenizerLoader.Load(folder),
        ["chat_template.jinja"] = static folder => ChatTemplate.Select("model", folder),
        ["adapter_config.json"] = static folder => AdapterFolder.Read(folder),
        ["adapter_model.safetensors"] = static folder => AdapterFolder.Read(folder),
        ["train.jsonl"] = static folder => new RecordFile(Path.Combine(folder, "train.jsonl")).Read(static (_, _, _) => { }),
    };

    public static TheoryData<string> Files => [.. Readers.Keys];

    [Theory, MemberData(nameof(Files))]
    public async Task A_pipe_is_refused_by_every_reader(string name)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Config);
        if (name.StartsWith("tokenizer_", StringComparison.Ordinal)) ArithmeticProblems.WriteTokenizer(folder.Path);
        if (name == "adapter_model.safetensors") folder.Write("adapter_config.json", """{"peft_type": "LORA"}""");
        File.Delete(folder.File(name));
        Pipe(folder.File(name));
        await Refused(folder.File(name), () => Readers[name](folder.Path), "a pipe");
    }

    [Fact]
    public async Task A_run_whose_data_is_a_pipe_is_refused_with_its_key()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Config);
        Pipe(folder.File("train.jsonl"));
        var spec = new RunSpec
        {
            Model = new ModelSpec { Path = folder.Path },
            Data = new DataSpec { Train = new DataSource { Path = folder.File("train.jsonl"), Format = DataFormat.Tokens } },
            Training = new TrainingSpec { Steps = 1 },
            Method = new MethodSpec { Name = MethodName.Lora },
        };
        await Refused(folder.File("train.jsonl"), () => RunChecks.Check(spec, static key => $"({key})", planOnly: true), "a pipe");
    }

    [Fact]
    public async Task A_device_is_refused_and_a_link_to_a_file_is_a_file()
    {
        await Refused("/dev/null", static () => new RecordFile("/dev/null").Read(static (_, _, _) => { }), "a device");
        using var folder = new TemporaryFolder();
        var target = folder.Write("blob", "{}\n");
        File.CreateSymbolicLink(folder.File("link.jsonl"), target);
        Assert.Null(RegularFileKind(folder.File("link.jsonl")));
        Assert.Null(RegularFileKind(folder.Path));
        Assert.Null(RegularFileKind(folder.File("nothing")));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder.File("socket")));
        Assert.Equal("a socket", RegularFileKind(folder.File("socket")));
    }

    private static string? RegularFileKind(string path) => Peft.Orleans.Data.Files.RegularFile.OtherKind(path);

    private static async Task Refused(string path, Action read, string kind)
    {
        var error = await Assert.ThrowsAsync<PeftException>(() => Task.Run(read).WaitAsync(Patience.Limit));
        Assert.Contains($"{path}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"not a regular file but {kind}", error.Message, StringComparison.Ordinal);
    }

    private static void Pipe(string path)
    {
        using var made = Process.Start("mkfifo", [path]);
        made.WaitForExit();
        Assert.Equal(0, made.ExitCode);
    }
}
