using System.Runtime.InteropServices;

namespace Peft.Orleans.Client;

/// <summary>Ctrl-C and its kin while a command works: the first asks for an orderly end, the second for an end at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _asked = new();
    private readonly CancellationTokenSource _insisted = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interruption()
    {
        _registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal =>
                PosixSignalRegistration.Create(signal, Handle)
            ),
        ];
    }

    /// <summary>The first signal.</summary>
    public CancellationToken Asked => _asked.Token;

    /// <summary>The second signal.</summary>
    public CancellationToken Insisted => _insisted.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _asked.Dispose();
        _insisted.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_asked.IsCancellationRequested) _insisted.Cancel();
        else _asked.Cancel();
    }
}
