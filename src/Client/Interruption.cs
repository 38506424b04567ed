using System.Runtime.InteropServices;

namespace Peft.Orleans.Client;

/// <summary>Ctrl-C and its kin while a command works: the first asks for an orderly end, the second for an end at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource asked = new();
    private readonly CancellationTokenSource insisted = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interruption()
    {
        registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal =>
                PosixSignalRegistration.Create(signal, Handle)
            ),
        ];
    }

    /// <summary>The first signal.</summary>
    public CancellationToken Asked => asked.Token;

    /// <summary>The second signal.</summary>
    public CancellationToken Insisted => insisted.Token;

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        asked.Dispose();
        insisted.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (asked.IsCancellationRequested) insisted.Cancel();
        else asked.Cancel();
    }
}
