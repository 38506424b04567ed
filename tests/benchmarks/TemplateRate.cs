using System.Text.Json;
using Peft.Orleans.Data.ChatTemplates;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// Chat templates on the conversations of GSM8K, one thread: reading the template and the first pass, as a run does it, and the best of
/// five passes more; in seconds of the processor, which other programs do not lengthen.
/// </summary>
internal static class TemplateRate
{
    internal static void Run(BenchmarkOptions options)
    {
        using var tokens = JsonDocument.Parse("""{"bos_token": "<s>", "eos_token": "</s>"}""");
        var conversations = File.ReadLines(options.Text("data", "gsm8k/train.jsonl")).Select(line =>
        {
            using var row = JsonDocument.Parse(line);
            string Field(string name) => row.RootElement.GetProperty(name).GetString()!;
            return new Conversation([new(ChatMessage.User, Field("question")), new(ChatMessage.Assistant, Field("answer"))])
            {
                Variables = tokens.RootElement,
            };
        }).ToArray();
        Console.WriteLine(FormattableString.Invariant($"{conversations.Length} conversations\n"));
        Console.WriteLine("| template | first pass (s) | best pass (s) | MB/s |\n|---|---|---|---|");
        foreach (var file in options.List("templates", "llama3"))
        {
            var (first, best, length) = (0.0, double.MaxValue, 0L);
            for (var pass = 0; pass < 6; pass++)
            {
                var start = Environment.CpuUsage.TotalTime;
                var template = ChatTemplate.Select(file, modelFolder: null);
                length = conversations.Sum(conversation => (long)template.Render(conversation, addGenerationPrompt: false).Length);
                var seconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
                if (pass == 0) first = seconds;
                else best = Math.Min(best, seconds);
            }

            var name = Path.GetFileName(file);
            Console.WriteLine(FormattableString.Invariant($"| {name} | {first:F2} | {best:F3} | {length / best / 1e6:F0} |"));
        }
    }
}
