using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>
/// A Dockerfile of <c>docker/</c>, whose steps a test carries out without a container: the context stands in its place, and the image's own
/// folder is a folder of the test.
/// </summary>
internal sealed class Dockerfile
{
    private readonly (string Instruction, string Text)[] steps;

    internal Dockerfile(string name)
    {
        File = Path.Combine(Repository.Root, "docker", name + ".Dockerfile");
        steps = [.. Instructions(System.IO.File.ReadAllLines(File))];
    }

    internal string File { get; }

    /// <summary>What each instruction of a kind says.</summary>
    internal string[] All(string instruction) => [.. steps.Where(step => step.Instruction == instruction).Select(static step => step.Text)];

    /// <summary>
    /// Carries out the first stage: <c>COPY . .</c> is the repository itself, each <c>RUN</c> a shell with the arguments.
    /// </summary>
    /// <param name="app">Stands for <c>/app</c>.</param>
    /// <param name="arguments">What <c>--build-arg</c> would say.</param>
    internal async Task Build(string app, Dictionary<string, string> arguments)
    {
        var values = new Dictionary<string, string>();
        var work = "/";
        foreach (var (instruction, text) in steps.Skip(1).TakeWhile(static step => step.Instruction != "FROM"))
        {
            switch (instruction)
            {
                case "ARG":
                    var name = text.Split('=')[0];
                    values[name] = arguments.GetValueOrDefault(name, text[(name.Length + 1)..].Trim('"'));
                    break;
                case "WORKDIR":
                    work = text;
                    break;
                case "COPY":
                    Assert.Equal((". .", "/source"), (text, work));
                    break;
                case "RUN":
                    await Run(text.Replace("/app", app, StringComparison.Ordinal), values);
                    break;
                default:
                    Assert.Fail($"{File}: {instruction} is not carried out by this test");
                    break;
            }
        }
    }

    private static async Task Run(string command, Dictionary<string, string> values)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", command])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in values) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        Assert.True(process.ExitCode == 0, $"{command}\n{await output}\n{await errors}");
    }

    private static IEnumerable<(string, string)> Instructions(string[] lines)
    {
        var whole = "";
        foreach (var line in lines.Select(static line => line.Trim()).Where(static line => line.Length > 0 && line[0] != '#'))
        {
            whole += line.TrimEnd('\\');
            if (line.EndsWith('\\')) continue;
            var space = whole.IndexOf(' ');
            yield return (whole[..space], whole[(space + 1)..].Trim());
            whole = "";
        }
    }
}
