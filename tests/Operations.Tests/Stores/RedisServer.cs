using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Stores;

/// <summary>A Redis server.</summary>
/// <param name="folder">Its folder.</param>
/// <param name="keeps">Whether it keeps what it holds when it is killed.</param>
internal sealed class RedisServer(string folder, bool keeps = true) : StoreServer(folder)
{
    private readonly string program = Tool.Require("redis-server", "redis-server");

    internal override string Kind => "redis";

    internal override string Connection => $"127.0.0.1:{Port}";

    protected override Process Launch() => Logged(
        program, "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", Folder, "--save", "", "--appendonly", keeps ? "yes" : "no",
        "--appendfsync", "always");

    protected override bool IsReady() => Accepts();
}
