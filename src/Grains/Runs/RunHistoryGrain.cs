using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Runs;

/// <summary>Reads a run's journals once for all who watch it; where its silo dies, another reads them.</summary>
internal sealed class RunHistoryGrain : Grain, IRunHistoryGrain
{
    private RunFolder? folder;
    private RunHistory? history;

    /// <inheritdoc/>
    public async Task<StepCourse> Steps(int after, int width) => (await Current()).Steps(after, width);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<NumberedEvent>> Events(int after) => (await Current()).Events(after);

    /// <inheritdoc/>
    public async Task<RunSubject> Subject()
    {
        var path = (await Folder()).RunFile;
        var spec = await Task.Run(() => RunFile.Load(path));
        var model = Path.GetFileName(Path.TrimEndingDirectorySeparator(spec.Model.Path));
        return new RunSubject(MethodTraits.Of(spec.Method).Title, model);
    }

    private async Task<RunHistory> Current()
    {
        history ??= new RunHistory(await Folder());
        await Task.Run(history.Refresh);
        return history;
    }

    private async Task<RunFolder> Folder()
    {
        if (folder is not null) return folder;
        var runs = await GrainFactory.GetGrain<IRunCatalogGrain>(0).List();
        var run = runs.FirstOrDefault(run => run.RunId == this.GetPrimaryKeyString())
            ?? throw new PeftException($"no run {this.GetPrimaryKeyString()} on this cluster");
        return folder = new RunFolder(run.Folder);
    }
}
