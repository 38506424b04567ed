using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Stores;

/// <summary>A PostgreSQL server; it refuses to be root, so it becomes nobody where the tests are.</summary>
internal sealed class PostgresqlServer : StoreServer
{
    internal const string Password = "not-to-be-seen";

    private readonly string[] prefix;
    private readonly string initdb = Tool.Require("initdb", "postgresql");
    private readonly string postgres = Tool.Require("postgres", "postgresql");
    private readonly string psql = Tool.Require("psql", "postgresql");

    internal PostgresqlServer(string folder) : base(folder)
    {
        prefix = Environment.UserName == "root"
            ? [Tool.Require("setpriv", "util-linux"), "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            : [];
        if (prefix.Length > 0) Run("chown", "nobody", folder);
        File.WriteAllText(Path.Combine(folder, "password"), Password);
        Run([
            .. prefix, initdb, "--pgdata", Data, "--username", "peft", "--auth", "scram-sha-256",
            "--pwfile", "password", "--no-sync",
        ]);
    }

    internal override string Kind => "postgresql";

    internal override string Connection => $"Host=127.0.0.1;Port={Port};Database=postgres;Username=peft;Password={Password}";

    private string Data => Path.Combine(Folder, "data");

    /// <summary>Runs a statement.</summary>
    internal string Sql(string statement) => Run(
        "env", $"PGPASSWORD={Password}", psql, "-h", "127.0.0.1", "-p", $"{Port}", "-U", "peft", "-d", "postgres",
        "-At", "-c", statement);

    protected override Process Launch() => Logged([
        .. prefix, postgres, "-D", Data, "-p", $"{Port}", "-k", Folder, "-c", "listen_addresses=127.0.0.1"]);

    protected override bool IsReady() =>
        Accepts() && Exits(psql, "-d", $"postgresql://peft:{Password}@127.0.0.1:{Port}/postgres", "-c", "SELECT 1") == 0;

    private int Exits(params string[] command)
    {
        using var process = Logged(command);
        process.WaitForExit();
        return process.ExitCode;
    }

    private string Run(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{string.Join(' ', command)}\n{output}\n{errors.Result}");
        return output;
    }
}
