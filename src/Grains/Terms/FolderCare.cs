using Microsoft.Extensions.Logging;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Whether the run's folder is there, and is this term's: a file in it names the term that writes. A coordinator that a later one has
/// followed touches nothing.
/// </summary>
internal sealed partial class FolderCare(TermContext term, TimeProvider time, ILogger log)
{
    private long? tried;

    /// <summary>Takes the folder over; a folder that cannot be written is found lost later.</summary>
    internal void Claim()
    {
        try
        {
            File.WriteAllText(term.Folder.Writer, term.Writer);
        }
        catch (Exception error) when (FolderLoss.Is(error))
        {
            // What is written finds the same.
        }
    }

    /// <summary>Whether journals are where they were made, or belong to a later term.</summary>
    internal bool IsIntact(params Journal[] journals) =>
        WriterCounter() > term.Term.Counter || (ReadWriter() == term.Writer && journals.All(static journal => journal.IsInPlace));

    /// <summary>Notes the loss; whether it is a new one.</summary>
    internal bool Lose()
    {
        if (term.Copy.Away) return false;
        term.Copy.Away = true;
        LogLost(term.RunId, term.Request.Folder);
        term.Figures.Storage.Folder(available: false);
        return true;
    }

    /// <summary>Makes the folder again, once in a while: run file, records of the inputs, journals.</summary>
    /// <returns>Whether it is there again.</returns>
    internal bool TryRebuild(params Journal[] journals)
    {
        if (tried is { } last && time.GetElapsedTime(last) < DiskSpace.RetryAfter) return false;
        tried = time.GetTimestamp();
        try
        {
            Directory.CreateDirectory(term.Request.Folder);
            if (!File.Exists(term.Folder.RunFile)) File.WriteAllText(term.Folder.RunFile, term.Run.Yaml);
            RunInputs.Record(term.Request.Folder, term.Spec);
            foreach (var journal in journals) journal.Attach();
            File.WriteAllText(term.Folder.Writer, term.Writer);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        term.Copy.Away = false;
        LogRebuilt(term.RunId, term.Request.Folder);
        term.Figures.Storage.Folder(available: true);
        return true;
    }

    private string? ReadWriter()
    {
        try
        {
            return File.Exists(term.Folder.Writer) ? File.ReadAllText(term.Folder.Writer) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private int? WriterCounter() => int.TryParse(ReadWriter()?.Split('-')[0], out var counter) ? counter : null;

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId} goes on in memory: its folder {Folder} is lost or cannot be written")]
    private partial void LogLost(string runId, string folder);

    [LoggerMessage(Level = LogLevel.Information, Message = "run {RunId}: its folder {Folder} is there again, with all lines")]
    private partial void LogRebuilt(string runId, string folder);
}
