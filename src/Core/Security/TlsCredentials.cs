namespace Peft.Orleans.Core.Security;

/// <summary>
/// A process's certificate and authorities, read again when their files change. It is content that is compared, at most once a second and
/// only when somebody asks: secrets that are mounted change by a link to another folder, with times and inodes that tell nothing. What
/// cannot be used leaves the former in force.
/// </summary>
/// <param name="files">The files.</param>
/// <param name="time">What a second is.</param>
public sealed class TlsCredentials(TlsFiles files, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly object sync = new();
    private TlsTexts? texts;
    private TlsIdentity? identity;
    private string? refused;
    private long looked;

    /// <summary>New files are in force, or could not be used: a line for the log.</summary>
    public event Action<string>? Changed;

    /// <summary>The files.</summary>
    public TlsFiles Files => files;

    /// <summary>What is in force.</summary>
    /// <exception cref="PeftException">There has been nothing that could be used; names the file.</exception>
    public TlsIdentity Current
    {
        get
        {
            string? news = null;
            try
            {
                lock (sync)
                {
                    if (identity is null || time.GetElapsedTime(looked) >= Pause) news = Look();
                    return identity!;
                }
            }
            finally
            {
                if (news is not null) Changed?.Invoke(news);
            }
        }
    }

    private string? Look()
    {
        looked = time.GetTimestamp();
        try
        {
            var found = TlsTexts.Read(files);
            if (found == texts) return null;
            var read = TlsIdentity.Read(files, found);
            var first = identity is null;
            (texts, identity, refused) = (found, read, null);
            return first ? null : $"{files.Certificate}, its key or its authorities have changed: in force for new connections";
        }
        catch (PeftException error) when (identity is not null)
        {
            // Half of a change, perhaps: the rest will follow, and is told once if it does not.
            if (error.Message == refused) return null;
            refused = error.Message;
            return $"the former certificate stays in force: {error.Message}";
        }
    }
}
