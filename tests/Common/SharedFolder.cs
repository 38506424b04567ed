namespace Peft.Orleans.Tests;

/// <summary>Reference data beside the repository, in <c>../shared</c>; a bare clone does not have it, and says so test by test.</summary>
public static class SharedFolder
{
    /// <summary>
    /// The path of a file or folder of the reference data; skips the test where it is absent (fails with PEFT_REQUIRE_SHARED=1);
    /// PEFT_SHARED may name the folder.
    /// </summary>
    public static string Require(string relative)
    {
        var path = Find(relative);
        if (path is not null) return path;
        var message = $"needs ../shared/{relative}: not found";
        if (Environment.GetEnvironmentVariable("PEFT_REQUIRE_SHARED") == "1") Assert.Fail(message);
        Assert.Skip(message);
        throw new System.Diagnostics.UnreachableException();
    }

    /// <summary>The root of the repository: the folder with Peft.Orleans.sln.</summary>
    public static string RepositoryRoot => Repository.Root;

    private static string? Find(string relative)
    {
        var shared = Environment.GetEnvironmentVariable("PEFT_SHARED");
        if (string.IsNullOrEmpty(shared)) shared = Path.Combine(RepositoryRoot, "..", "shared");
        var path = Path.GetFullPath(Path.Combine(shared, relative));
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }
}
