using System.Diagnostics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Chaos;

/// <summary>The client that the run was started with, or that resumed it where nothing was left that would go on.</summary>
internal sealed class RunClient : IDisposable
{
    /// <summary>Resumes in a row that may bring no step.</summary>
    private const int FruitlessResumes = 3;

    private readonly PeftPrograms programs;
    private readonly string folder;
    private readonly int silos;
    private readonly string log;
    private readonly EventLog events;
    private readonly ChaosOutcome outcome;
    private Process process;
    private int resumedAt = -1;

    internal RunClient(PeftPrograms programs, string file, string runId, ChaosOptions options, EventLog events, ChaosOutcome outcome)
    {
        this.programs = programs;
        this.events = events;
        this.outcome = outcome;
        folder = outcome.Folder;
        silos = options.Silos;
        log = Path.Combine(options.Work, runId + ".log");
        process = programs.StartRun(file, runId, silos, log);
    }

    /// <summary>Where its output goes.</summary>
    internal string Log => log;

    internal bool Ended { get; private set; }

    /// <summary>Sees whether it has ended.</summary>
    internal void Look(int step, int alive)
    {
        if (Ended || !process.HasExited) return;
        Ended = true;
        var state = UndisturbedRun.StatusOf(folder)?.State;
        if (state == RunState.Completed) return;
        outcome.ClientExits++;
        events.Say(
            $"step {step}: the client has ended (exit code {process.ExitCode}, run {state}) with {alive} silos alive"
        );
    }

    /// <summary>Continues the run on new silos, as a user would.</summary>
    /// <exception cref="StalledException">That was tried before without a step.</exception>
    internal void Resume(int step)
    {
        if (resumedAt == step && outcome.Resumes > FruitlessResumes)
            throw new StalledException($"resumed without progress after step {step}: see {log}");
        resumedAt = step;
        outcome.Resumes++;
        events.Say($"step {step}: no silo is left; resume");
        process.Dispose();
        process = programs.Resume(folder, silos, log);
        Ended = false;
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
    }
}
