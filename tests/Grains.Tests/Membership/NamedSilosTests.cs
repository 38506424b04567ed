using System.Net;
using CsCheck;
using Orleans.Runtime;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Tests.Membership;

public sealed class NamedSilosTests
{
    private static readonly Gen<SiloAddress> Addresses =
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 3], static (port, life) => SiloAddress.New(IPAddress.Loopback, port, life));

    private static readonly Gen<(string, SiloAddress)> Named = Gen.Select(Gen.Int[0, 2].Select(static i => $"silo-{i}"), Addresses);

    [Fact]
    public void Of_two_lives_exactly_one_is_later_whoever_asks() => Gen.Select(Addresses, Addresses).Sample(static (one, other) =>
        NamedSilos.IsLater(one, other) == (!one.Equals(other) && !NamedSilos.IsLater(other, one)));

    [Fact]
    public void A_plan_sees_one_silo_per_name_the_same_in_any_order() =>
        Gen.Select(Named.Array[0, 8], Gen.Int[0, 1000]).Sample(static (silos, seed) =>
        {
            var latest = NamedSilos.Latest(silos);
            var shuffled = silos.ToArray();
            new Random(seed).Shuffle(shuffled);
            return latest.SequenceEqual(NamedSilos.Latest(shuffled))
                && latest.Keys.ToHashSet().SetEquals(silos.Select(static silo => silo.Item1))
                // All others of a name learn that they are not the one.
                && silos.All(silo => latest[silo.Item1].Equals(silo.Item2) || NamedSilos.IsLater(latest[silo.Item1], silo.Item2));
        });
}
