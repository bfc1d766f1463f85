"""The sandbox's offline implementation of the component package awsx."""
