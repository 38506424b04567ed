using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// Early stopping and the best adapter: a pure function of the validation losses in metrics.jsonl, so that a resumed run decides as an
/// undisturbed one.
/// </summary>
internal sealed class BestVersion(EarlyStoppingSpec options, RunFolder run)
{
    private readonly SortedDictionary<int, double> losses = [];

    /// <summary>Folder with the parts of a step's adapter, while that step is the best.</summary>
    internal string FolderOf(int step) => run.BestOf(step);

    /// <summary>Folder with the parts of the best adapter; null before any.</summary>
    internal string? Folder => BestStep > 0 && FolderOf(BestStep) is var folder && Directory.Exists(folder) ? folder : null;

    /// <summary>Makes a written folder the best step's: visible under its name at once, then the former ones go.</summary>
    internal void Keep(int step, string written)
    {
        if (Directory.Exists(FolderOf(step))) Directory.Delete(written, recursive: true);
        else Directory.Move(written, FolderOf(step));
        foreach (var former in Directory.EnumerateDirectories(run.Best).Where(folder => folder != FolderOf(step)).ToArray())
            Directory.Delete(former, recursive: true);
    }

    /// <summary>Takes note of a validation; true when it is the best so far.</summary>
    internal bool Note(int step, double loss)
    {
        losses[step] = loss;
        return BestStep == step;
    }

    /// <summary>The first step with the lowest validation loss; 0 before any.</summary>
    internal int BestStep => losses.Count == 0 ? 0 : losses.OrderBy(static pair => pair.Value).ThenBy(static pair => pair.Key).First().Key;

    /// <summary>Whether as many validations as <c>patience</c> have passed without improvement.</summary>
    internal bool Exhausted =>
        options.Patience is { } patience && losses.Count > 0 && losses.Keys.Count(step => step > BestStep) >= patience;
}
