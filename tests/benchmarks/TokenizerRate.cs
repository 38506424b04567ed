using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Benchmarks;

/// <summary>Tokenizers on the texts of a JSON-lines file, one thread: the best of five passes, in bytes of UTF-8.</summary>
internal static class TokenizerRate
{
    internal static void Run(BenchmarkOptions options)
    {
        var texts = File.ReadLines(options.Text("data", "gsm8k/train.jsonl")).Select(static line =>
        {
            using var row = JsonDocument.Parse(line);
            var texts = row.RootElement.EnumerateObject().Where(static field => field.Value.ValueKind == JsonValueKind.String);
            return string.Join('\n', texts.Select(static field => field.Value.GetString()));
        }).ToArray();
        var bytes = texts.Sum(static text => (long)Encoding.UTF8.GetByteCount(text));
        Console.WriteLine(FormattableString.Invariant($"{texts.Length} texts, {bytes / 1e6:F1} MB\n"));
        Console.WriteLine("| tokenizer | MB/s | tokens/s | bytes per token |\n|---|---|---|---|");
        foreach (var folder in options.List("tokenizers", options.Model))
        {
            var tokenizer = TokenizerLoader.Load(folder);
            var (best, tokens) = (double.MaxValue, 0L);
            for (var pass = 0; pass < 5; pass++)
            {
                var start = Stopwatch.GetTimestamp();
                tokens = texts.Sum(text => (long)tokenizer.Encode(text, addSpecialTokens: false).Length);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            var name = Path.GetFileName(folder.TrimEnd('/'));
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {bytes / best / 1e6:F1} | {tokens / best:F0} | {(double)bytes / tokens:F2} |"));
        }
    }
}
