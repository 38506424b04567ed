using Microsoft.Extensions.Logging;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Runs;

/// <summary>The run's status in its folder, where there is one: the record in the store has it too.</summary>
internal sealed partial class StatusFile(RunFolder folder, string runId, ILogger log)
{
    /// <summary>Writes it; a folder that is lost is told of, and ends nothing.</summary>
    internal void Write(RunStatus status)
    {
        try
        {
            folder.WriteStatus(status);
        }
        catch (Exception error) when (FolderLoss.Is(error))
        {
            LogNoFolder(runId, error.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: its status cannot be written: {Reason}")]
    private partial void LogNoFolder(string runId, string reason);
}
