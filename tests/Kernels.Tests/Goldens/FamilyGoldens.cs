using Peft.Orleans.Tests;

namespace Peft.Orleans.Kernels.Tests.Goldens;

/// <summary>Reference folders of families and kinds of RoPE, each also by the configuration of releases before 5.</summary>
internal static class FamilyGoldens
{
    private const string Older = "config-older.json";

    private static readonly string[] Folders =
    [
        "mistral-sliding", "mistral-full", "qwen2-tied", "qwen3-head-dim", "llama-rope-yarn", "llama-rope-dynamic",
    ];

    /// <summary>For theories: name, and whether the older configuration is taken.</summary>
    public static TheoryData<string, bool> All
    {
        get
        {
            var all = new TheoryData<string, bool>();
            foreach (var folder in Folders)
            {
                all.Add(folder, false);
                all.Add(folder, true);
            }

            return all;
        }
    }

    /// <summary>A folder with the weights of a golden and one of its configurations.</summary>
    internal static TemporaryFolder Folder(Golden golden, bool older)
    {
        var folder = new TemporaryFolder();
        File.Copy(Path.Combine(golden.Folder, older ? Older : "config.json"), Path.Combine(folder.Path, "config.json"));
        foreach (var file in Directory.EnumerateFiles(golden.Folder, "model*"))
            File.CreateSymbolicLink(Path.Combine(folder.Path, Path.GetFileName(file)), file);
        return folder;
    }
}
