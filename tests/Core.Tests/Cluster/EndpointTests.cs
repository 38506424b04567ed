using Xunit;

namespace Peft.Orleans.Core.Tests.Cluster;

public class EndpointTests
{
    [Theory]
    [InlineData("silo-0.peft.svc:11111", "silo-0.peft.svc", 11111)]
    [InlineData("127.0.0.1:0", "127.0.0.1", 0)]
    [InlineData("[::1]:30000", "::1", 30000)]
    public void A_host_and_a_port_are_read_and_written_back(string text, string host, int port)
    {
        Assert.Equal(new Endpoint(host, port), Endpoint.Parse(text));
        Assert.Equal(text, Endpoint.Parse(text).ToString());
    }

    [Theory]
    [InlineData("host", "host")]
    [InlineData("::1", "::1")]
    [InlineData("[fe80::2]", "fe80::2")]
    public void A_host_alone_needs_a_port_to_assume(string text, string host)
    {
        Assert.True(Endpoint.TryParse(text, 30000, out var endpoint));
        Assert.Equal(new Endpoint(host, 30000), endpoint);
        Assert.False(Endpoint.TryParse(text, null, out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(":30000")]
    [InlineData("host:")]
    [InlineData("host:port")]
    [InlineData("host:-1")]
    [InlineData("host:65536")]
    public void What_is_neither_is_refused(string text)
    {
        Assert.False(Endpoint.TryParse(text, 30000, out _));
        Assert.Throws<FormatException>(() => Endpoint.Parse(text));
    }
}
