namespace Peft.Orleans.Tests;

/// <summary>
/// Programs that tests need beside the .NET SDK: servers, a browser, checkers. A machine without one skips those tests and says which.
/// </summary>
internal static class Tool
{
    private static readonly string[] Folders =
    [
        .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries),
        "/usr/sbin",
        .. Directory.Exists("/usr/lib/postgresql") ? Directory.EnumerateDirectories("/usr/lib/postgresql").Select(Bin) : [],
    ];

    /// <summary>
    /// The path of a program; skips the test where it is absent (fails with PEFT_REQUIRE_TOOLS=1).
    /// </summary>
    /// <param name="name">The program.</param>
    /// <param name="package">The Debian package that has it, which is named to the reader.</param>
    internal static string Require(string name, string package)
    {
        if (Folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } found) return found;
        Missing($"needs {name}: apt-get install {package}");
        throw new System.Diagnostics.UnreachableException();
    }

    /// <summary>
    /// The folder of packages of npm that tests use (<c>tests/Operations.Tests/npm</c>); skips the test where they are not installed
    /// (fails with PEFT_REQUIRE_TOOLS=1).
    /// </summary>
    internal static string RequireNpm(string package)
    {
        var folder = Path.Combine(Repository.Root, "tests", "Operations.Tests", "npm");
        if (!Directory.Exists(Path.Combine(folder, "node_modules", package)))
            Missing($"needs npm's {package}: npm ci --prefix tests/Operations.Tests/npm");
        return folder;
    }

    private static void Missing(string message)
    {
        if (Environment.GetEnvironmentVariable("PEFT_REQUIRE_TOOLS") == "1") Assert.Fail(message);
        Assert.Skip(message);
    }

    private static string Bin(string folder) => Path.Combine(folder, "bin");
}
