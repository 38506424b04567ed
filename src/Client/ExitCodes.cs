namespace Peft.Orleans.Client;

/// <summary>Exit codes of every command; docs/cli.md lists them.</summary>
internal static class ExitCodes
{
    /// <summary>Done; of start-run, resume and watch: the run is completed, or goes on without this client.</summary>
    public const int Success = 0;

    /// <summary>The run, or the work asked of a cluster, failed.</summary>
    public const int Failed = 1;

    /// <summary>Refused before anything started: command line, run file, model, data.</summary>
    public const int Refused = 2;

    /// <summary>No such run.</summary>
    public const int NotFound = 3;

    /// <summary>The run was stopped on demand before its last step; it can be resumed.</summary>
    public const int Stopped = 4;

    /// <summary>No silo answers, or silos could not be started.</summary>
    public const int NoCluster = 5;

    /// <summary>doctor found something that keeps runs from working.</summary>
    public const int Unfit = 6;

    /// <summary>An error of this program.</summary>
    public const int Unexpected = 70;

    /// <summary>Interrupted (Ctrl-C) before anything could be detached from.</summary>
    public const int Interrupted = 130;
}
