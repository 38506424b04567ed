using System.CommandLine;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Commands;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Security;
using Peft.Orleans.Core;

namespace Peft.Orleans.Client;

/// <summary>The command line as a function of its arguments.</summary>
internal static class ClientApplication
{
    /// <summary>The root command with every command below it.</summary>
    public static RootCommand Build(Terminal terminal) => new("Fine-tunes large language models on an elastic cluster of silos.")
    {
        StartRunCommand.Create(terminal),
        ResumeCommand.Create(terminal),
        WatchCommand.Create(terminal),
        StopCommand.Create(terminal),
        ScaleCommand.Create(terminal),
        GetCommand.Create(terminal),
        DescribeCommand.Create(terminal),
        MetricsCommand.Create(terminal),
        LogsCommand.Create(terminal),
        SilosCommand.Create(terminal),
        GenerateCommand.Create(terminal),
        ScoreCommand.Create(terminal),
        RenderCommand.Create(terminal),
        CompareCommand.Create(terminal),
        ExportCommand.Create(terminal),
        MakeProblemsCommand.Create(terminal),
        MakeModelCommand.Create(terminal),
        DoctorCommand.Create(terminal),
    };

    /// <summary>Runs a command; the result is one of <see cref="ExitCodes"/>.</summary>
    public static async Task<int> Run(string[] args, Terminal terminal)
    {
        var root = Build(terminal);
        var security = new ClientSecurityOptions();
        security.AddTo(root);
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in CommandLineErrors.Of(parsed)) terminal.Note($"peft-client: {error}");
            var path = string.Concat(parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ");
            terminal.Note($"try: peft-client {path}--help");
            return ExitCodes.Refused;
        }

        try
        {
            ClientSecurity.Current = security.Read(parsed);
            // Signals are each command's own matter: detach, stop in order, or end at once.
            var invocation = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = terminal.Out,
                Error = terminal.Error,
            };
            return await parsed.InvokeAsync(invocation);
        }
        catch (ClientException error)
        {
            terminal.Note("peft-client: " + error.Message);
            return error.ExitCode;
        }
        catch (PeftException error)
        {
            terminal.Note("peft-client: " + error.Message);
            return ExitCodes.Refused;
        }
        catch (OperationCanceledException)
        {
            terminal.Note("peft-client: interrupted");
            return ExitCodes.Interrupted;
        }
        catch (Exception error) when (StartWatch.IsPassing(error))
        {
            terminal.Note($"peft-client: the cluster did not answer: {error.Message}");
            return ExitCodes.NoCluster;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            terminal.Note("peft-client: " + error.Message);
            return ExitCodes.Failed;
        }
        catch (Exception error)
        {
            terminal.Note($"peft-client: unexpected {error.GetType().Name}: {error.Message}");
            terminal.Note(error.StackTrace ?? "");
            return ExitCodes.Unexpected;
        }
    }
}
