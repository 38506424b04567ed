using System.Runtime.CompilerServices;

namespace Peft.Orleans.Tests;

/// <summary>Where tests and their programs find what lies in the repository, and what was built from it.</summary>
internal static class Repository
{
    /// <summary>The folder with Peft.Orleans.sln.</summary>
    internal static string Root { get; } = FindRoot();

    /// <summary>Text of a page of <c>docs</c>.</summary>
    internal static string Page(string name) => File.ReadAllText(Path.Combine(Root, "docs", name));

    /// <summary>A program of the product, built as this one was: <c>…/artifacts/bin/PROJECT/PIVOT/FILE</c>.</summary>
    /// <exception cref="FileNotFoundException">It is not built.</exception>
    internal static string Built(string project, string file)
    {
        var here = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var path = Path.Combine(here.Parent!.Parent!.FullName, project, here.Name, file);
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} not found; build it first: dotnet build", path);
    }

    private static string FindRoot([CallerFilePath] string source = "")
    {
        // Artifacts may be built outside the tree; then this source file is where to start from.
        string[] starts = [AppContext.BaseDirectory, Path.GetDirectoryName(source) ?? "", Directory.GetCurrentDirectory()];
        foreach (var start in starts.Where(Directory.Exists))
        {
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "Peft.Orleans.sln"))) return folder.FullName;
            }
        }

        return Directory.GetCurrentDirectory();
    }
}
