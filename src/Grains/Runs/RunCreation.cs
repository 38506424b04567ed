using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Runs;

/// <summary>
/// Makes what a run needs before its first term. A client of this machine has done it already; a remote one sees neither silos nor folder.
/// </summary>
internal static class RunCreation
{
    /// <summary>
    /// Decides what the run file leaves open, as it was decided when the run was created, else by what holds on this silo.
    /// </summary>
    /// <exception cref="PeftException">The run file or the model's folder is refused.</exception>
    internal static ResolvedRun Resolve(RunRequest request, ResolvedRun? known, int threads)
    {
        var spec = RunFile.Parse(request.RunYaml, RunFolder.RunFileName);
        var path = new RunFolder(request.Folder).RunFile;
        var recorded = known?.Spec ?? (File.Exists(path) ? RunFile.Parse(File.ReadAllText(path), path) : null);
        return RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads, recorded, TorchRuntime.ProductsOf);
    }

    /// <summary>
    /// Checks a run's files before anything is recorded; a client of this machine has done so itself, a remote one does not see them.
    /// </summary>
    /// <exception cref="PeftException">Names the file or key and what to do.</exception>
    /// <returns>The data, where they were read for it.</returns>
    internal static async Task<TrainingData?> Check(RunRequest request, ResolvedRun run) => request.Checked
        ? null
        : await Task.Run(() => RunChecks.Check(run.Spec, static _ => "the run file", runFolder: request.Folder).Data);

    /// <summary>
    /// Checks that the silos compute with the run's threads: bits depend on their number. A silo that does not answer is not one the run
    /// will be on; the coordinator looks again before it makes a plan.
    /// </summary>
    /// <exception cref="PeftException">Names the silos and what to do.</exception>
    internal static async Task CheckThreads(ResolvedRun run, IEnumerable<ISiloAgent> agents)
    {
        var reports = await Task.WhenAll(agents.Select(static agent => SiloLinks.Answer(agent.Describe())));
        var others = reports.OfType<AgentReport>().Where(report => !report.Seatless && report.Threads != run.Threads).ToArray();
        if (others.Length == 0) return;
        var silos = string.Join(", ", others.Select(static report => $"{report.Silo.Name} ({report.Threads})"));
        throw new PeftException(
            $"compute.threads_per_silo: the run computes with {run.Threads} threads per silo, but these silos with others: {silos}; "
                + $"start them with --threads {run.Threads}, or a new run without compute.threads_per_silo, which takes what they have"
        );
    }

    /// <summary>The run's folder with its run file.</summary>
    /// <exception cref="PeftException">The folder cannot be written, or is another run's.</exception>
    internal static void MakeFolder(RunRequest request)
    {
        var path = new RunFolder(request.Folder).RunFile;
        if (File.Exists(path))
        {
            if (File.ReadAllText(path) != request.RunYaml)
                throw new PeftException(
                    $"run {request.RunId} exists in {request.Folder} with another run file ({path}); choose another run id, or resume it "
                        + "with the file it was created with"
                );
            return;
        }

        try
        {
            Directory.CreateDirectory(request.Folder);
            File.WriteAllText(path, request.RunYaml);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException(
                $"output: {request.Folder} cannot be written by the silo: {error.Message}; set output to a folder that every silo can "
                    + "write (--set output=FOLDER)",
                error
            );
        }
    }
}
