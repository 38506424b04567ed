using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Page;

/// <summary>A real browser without a window (<c>npm/browse.mjs</c>), which says what it asked for and what it complained of.</summary>
internal sealed class Browser : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly Process process;
    private readonly Task<string> errors;

    private Browser(string chromium, string npm)
    {
        var start = new ProcessStartInfo("node", ["browse.mjs", chromium, Path.Combine(workspace.Folder, "browser")])
        {
            WorkingDirectory = npm,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        process = Process.Start(start)!;
        errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Starts it; skips the test where there is none.</summary>
    internal static Browser Start()
    {
        Tool.Require("node", "nodejs");
        var chromium = Tool.Require("chromium", "chromium");
        return new Browser(chromium, Tool.RequireNpm("playwright-core"));
    }

    /// <summary>Goes to an address; the answer's headers.</summary>
    internal async Task<JsonObject> Open(string url)
    {
        var answer = await Do(new JsonObject { ["do"] = "open", ["url"] = url });
        Assert.Equal(200, answer!["status"]!.GetValue<int>());
        return answer["headers"]!.AsObject();
    }

    /// <summary>Size of the window, and whether it is dark.</summary>
    internal Task Dress(int width, int height, string scheme) =>
        Do(new JsonObject { ["do"] = "dress", ["width"] = width, ["height"] = height, ["scheme"] = scheme });

    /// <summary>The value of an expression in the page.</summary>
    internal Task<JsonNode?> Look(string script) => Do(new JsonObject { ["do"] = "look", ["script"] = script });

    /// <summary>Text of an element.</summary>
    internal async Task<string> Text(string id) =>
        (await Look($"document.getElementById('{id}').textContent"))!.GetValue<string>();

    /// <summary>Waits until an expression holds in the page; one that is just being left has none.</summary>
    internal async Task Until(string script)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        var token = Patience.Token;
        do
        {
            var answer = await Ask(new JsonObject { ["do"] = "look", ["script"] = script });
            if (answer["value"]?.GetValueKind() == JsonValueKind.True) return;
        }
        while (await timer.WaitForNextTickAsync(token));
    }

    /// <summary>Presses a key on an element.</summary>
    internal Task Press(string selector, string key) =>
        Do(new JsonObject { ["do"] = "press", ["selector"] = selector, ["key"] = key });

    /// <summary>A picture of the whole page.</summary>
    internal Task Picture(string path) => Do(new JsonObject { ["do"] = "picture", ["path"] = path });

    /// <summary>Hosts that were asked for anything, errors of the console, and where the browser is now.</summary>
    internal async Task<(string[] Hosts, string[] Errors, string Url)> Heard()
    {
        var heard = (await Do(new JsonObject { ["do"] = "heard" }))!;
        return (heard["hosts"].Deserialize<string[]>()!, heard["errors"].Deserialize<string[]>()!, heard["url"]!.GetValue<string>());
    }

    public void Dispose()
    {
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeSpan.FromSeconds(30))) process.Kill(entireProcessTree: true);
        process.Dispose();
        workspace.Dispose();
    }

    private async Task<JsonNode?> Do(JsonObject command)
    {
        var answer = await Ask(command);
        Assert.True(answer["error"] is null, $"{command.ToJsonString()}: {answer["error"]}");
        return answer["value"]?.DeepClone();
    }

    private async Task<JsonObject> Ask(JsonObject command)
    {
        await process.StandardInput.WriteLineAsync(command.ToJsonString());
        var line = await process.StandardOutput.ReadLineAsync(Patience.Token);
        return line is null
            ? throw new InvalidOperationException($"the browser has ended:\n{await errors}")
            : JsonNode.Parse(line)!.AsObject();
    }
}
