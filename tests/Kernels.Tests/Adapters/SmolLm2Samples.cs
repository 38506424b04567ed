using System.Text.Json;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Kernels.Tests.Adapters;

/// <summary>Problems of GSM8K as chats in SmolLM2's tokens, each a microbatch.</summary>
internal static class SmolLm2Samples
{
    internal static Microbatch[] Take(int count) =>
        [
            .. JsonDocument
                .Parse(File.ReadAllText(SharedFolder.Require("goldens/smollm2/losses.json")))
                .RootElement.EnumerateArray()
                .Take(count)
                .Select(static item => Batches.Of([Integers(item, "ids")], [Integers(item, "labels")])),
        ];

    private static int[] Integers(JsonElement item, string key) =>
        [.. item.GetProperty(key).EnumerateArray().Select(static value => value.GetInt32())];
}
